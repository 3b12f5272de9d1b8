// Any bytes as headers: names, values, timeouts, encodings, metadata. A call gets its right answer or is refused, and both lanes agree.

import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import './patience.ts';
import type { RunningServer } from '../../src/server/serve.ts';
import { type FrameAnswer, FrameCaller, type Header } from './frames.ts';
import { find, type Said, said } from './right.ts';
import {
  ASK,
  askPolitely,
  CONNECT_HEADERS,
  FAIL_WITH,
  GIVE_BACK,
  GRPC_HEADERS,
  question,
  serveTarget,
  soon,
  tries,
  withHeaders,
} from './subject.ts';

let fast: RunningServer;
let adapter: RunningServer;
const ENVELOPE_HEAD_BYTES = 5;
const callers = new Map<RunningServer, FrameCaller>();

beforeAll(async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const options = { errors: 'as-thrown' } as const;
  [fast, adapter] = await Promise.all([serveTarget(options), serveTarget({ ...options, fastLane: false })]);
});
afterEach(async () => {
  await askPolitely(fast.address);
});
afterAll(async () => {
  vi.restoreAllMocks();
  for (const caller of callers.values()) {
    caller.close();
  }
  await Promise.all([fast.close(), adapter.close()]);
});

/** Asks as the protocol of the first content type has it. */
async function ask(server: RunningServer, headers: readonly Header[]): Promise<FrameAnswer> {
  let caller = callers.get(server);
  if (caller === undefined || caller.isClosed) {
    caller = await FrameCaller.open(server.address);
    callers.set(server, caller);
  }
  const isConnect = find(headers, 'content-type') === 'application/proto';
  const body = question('asked');
  return soon(caller.call(headers, [isConnect ? body.subarray(ENVELOPE_HEAD_BYTES) : body]), JSON.stringify(headers));
}

/** What both lanes say, an answer that is cut being as good as another. */
async function askBoth(headers: readonly Header[]): Promise<Said> {
  const [byFast, byAdapter] = (await Promise.all([ask(fast, headers), ask(adapter, headers)])).map(said);
  expect(byFast).toEqual(byAdapter);
  return byFast ?? { kind: 'cut', how: 'nothing' };
}

const latin1 = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 40,
});
const visible = fc.string({ unit: 'grapheme-ascii', maxLength: 40 });
const token = fc
  .string({ unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-_.'), minLength: 1, maxLength: 20 })
  .map((name) => `x-${name}`);
const known = fc.constantFrom(
  'content-type',
  'content-length',
  'content-encoding',
  'accept-encoding',
  'grpc-encoding',
  'grpc-accept-encoding',
  'grpc-timeout',
  'connect-timeout-ms',
  'connect-protocol-version',
  'te',
  'host',
  'cookie',
  'expect',
  'connection',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'traceparent',
  'tracestate',
  'authorization',
  'x-forwarded-for',
  'grpc-status',
  'grpc-message',
  'grpc-trace-bin',
  ':path',
  ':method',
  ':status',
  ':scheme',
  ':authority',
  ':protocol',
  ':x',
  '',
);

describe('any headers beside those of a call', () => {
  test('in ASCII', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(token, visible), { maxLength: 30 }), async (more) => {
        const answer = await askBoth([...GRPC_HEADERS, ...more]);
        expect(answer).toMatchObject({ kind: 'ok', text: 'asked' });
      }),
      tries(),
    ));

  test('of any bytes', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.oneof(token, latin1), latin1), { maxLength: 10 }), async (more) => {
        const answer = await askBoth([...GRPC_HEADERS, ...more]);
        expect(['ok', 'cut', 'error']).toContain(answer.kind);
      }),
      tries(2),
    ));

  test('that mean something, with any value', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(known, fc.oneof(visible, latin1)), { minLength: 1, maxLength: 4 }),
        async (more) => {
          await askBoth([...GRPC_HEADERS, ...more]);
          await askBoth([...CONNECT_HEADERS, ...more]);
        },
      ),
      tries(2),
    ));

  test('in place of those of a call', () =>
    fc.assert(
      fc.asyncProperty(known, fc.oneof(visible, latin1), async (name, value) => {
        await askBoth(withHeaders({ [name]: value }));
      }),
      tries(2),
    ));

  test('and without some of those of a call', () =>
    fc.assert(
      fc.asyncProperty(fc.subarray([...GRPC_HEADERS]), async (headers) => {
        await askBoth(headers);
      }),
      tries(),
    ));

  test('in any order', () =>
    fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([...GRPC_HEADERS], { minLength: GRPC_HEADERS.length }), async (headers) => {
        await askBoth(headers);
      }),
      tries(0.5),
    ));
});

test('any timeout is understood alike, or refused alike', () =>
  fc.assert(
    fc.asyncProperty(
      fc.tuple(fc.constantFrom('', '-', '+', ' ', '0'), fc.nat().map(String), fc.constantFrom(...'HMSmunhsx.', '')),
      async (parts) => {
        // A deadline that passes on its way is one answer on one lane and another on the other.
        const text = parts.join('');
        const isShort = /^0*\d{1,3}[mun]$/.test(text) || /^\d{1,9}[un]$/.test(text) || /^\d{1,3}$/.test(text);
        if (!isShort) {
          await askBoth(withHeaders({ 'grpc-timeout': text }));
          await askBoth(withHeaders({ 'connect-timeout-ms': text }, CONNECT_HEADERS));
        }
      },
    ),
    tries(2),
  ));

describe('metadata', () => {
  /** Bytes in base64, with its padding, without, or with none that is right. */
  const base64 = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('base64')),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('base64').replaceAll('=', '')),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
    // nghttp2 leaves out a header whose value begins or ends with a space.
    fc.string({ unit: fc.constantFrom(...'AZaz09+/=-_,* ') }).map((text) => text.trim()),
  );

  test('of bytes is given back as it came, whatever it is', () =>
    fc.assert(
      fc.asyncProperty(base64, async (value) => {
        const name = `${GIVE_BACK}-bin`;
        for (const server of [fast, adapter]) {
          const answer = await ask(server, withHeaders({ [name]: value }));
          expect(said(answer)).toMatchObject({ kind: 'ok' });
          expect(find(answer.headers, name)).toBe(value);
          expect(find(answer.trailers, name)).toBe(value);
        }
      }),
      tries(),
    ));

  test('that comes twice is given back joined', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: fc.constantFrom(...'abc123'), minLength: 1 }), { minLength: 1, maxLength: 5 }),
        async (values) => {
          for (const server of [fast, adapter]) {
            const answer = await ask(server, [...GRPC_HEADERS, ...values.map((value): Header => [GIVE_BACK, value])]);
            expect(find(answer.headers, GIVE_BACK)).toBe(values.join(', '));
          }
        },
      ),
      tries(0.5),
    ));

  test('that no header may hold does not come back, and ends no more than the call', () =>
    fc.assert(
      fc.asyncProperty(latin1, async (value) => {
        await askBoth(withHeaders({ [GIVE_BACK]: value }));
      }),
      tries(),
    ));
});

describe('the text of an error', () => {
  const unicode = fc.string({ unit: 'binary', maxLength: 200 });

  test.each([
    ['gRPC', GRPC_HEADERS],
    ['Connect', CONNECT_HEADERS],
  ])('arrives whole, whatever it is (%s)', (_name, headers) =>
    fc.assert(
      fc.asyncProperty(unicode, async (text) => {
        const answer = await askBoth(withHeaders({ [FAIL_WITH]: encodeURIComponent(text) }, headers));
        expect(answer).toEqual({ kind: 'error', code: 5, message: text });
      }),
      tries(),
    ),
  );
});

describe('a block of headers', () => {
  const sizes = [100, 16_000, 30_000, 33_000, 60_000];

  test.each(sizes)('with a value of %i bytes is taken or refused, and the next call works', async (length) => {
    const answer = await askBoth([...GRPC_HEADERS, ['x-long', 'y'.repeat(length)]]);
    // HTTP/2 allows a block in one frame of 16 KiB; longer ones want CONTINUATION, and are sent without.
    expect(answer.kind).toBe(length <= 16_000 ? 'ok' : 'cut');
  });

  test.each([
    [90, 'ok'],
    [94, 'ok'],
    [95, 'cut'],
    [500, 'cut'],
  ])('of %i more headers is %s', async (count, kind) => {
    const more = Array.from({ length: count }, (_, n): Header => [`x-${n}`, '1']);
    expect((await askBoth([...GRPC_HEADERS, ...more])).kind).toBe(kind);
  });
});

test('any path gets an answer', () =>
  fc.assert(
    fc.asyncProperty(
      fc.oneof(
        latin1,
        visible,
        visible.map((text) => `${ASK}?${text}`),
        visible.map((text) => `/${text}`),
      ),
      async (path) => {
        await askBoth(withHeaders({ ':path': path }));
        await askBoth(withHeaders({ ':path': path, ':method': 'GET', 'content-type': undefined, te: undefined }));
      },
    ),
    tries(2),
  ));
