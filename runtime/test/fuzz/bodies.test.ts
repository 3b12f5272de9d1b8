// Any bytes as the body of a call, cut anywhere: both lanes give the same right answer, and it is made of what this caller sent.

import { brotliCompressSync, gzipSync } from 'node:zlib';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import './patience.ts';
import type { RunningServer } from '../../src/server/serve.ts';
import { QuestionSchema } from '../lanes/contract.ts';
import { FrameCaller, type Header } from './frames.ts';
import { type Said, said } from './right.ts';
import {
  askPolitely,
  CONNECT_HEADERS,
  GRPC_HEADERS,
  JSON_HEADERS,
  question,
  serveTarget,
  soon,
  tries,
  withHeaders,
} from './subject.ts';

let fast: RunningServer;
let adapter: RunningServer;
const callers = new Map<RunningServer, FrameCaller>();

beforeAll(async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const options = { limits: { readMaxBytes: 65_536 } };
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

async function ask(server: RunningServer, headers: readonly Header[], body: readonly Uint8Array[]): Promise<Said> {
  let caller = callers.get(server);
  if (caller === undefined || caller.isClosed) {
    caller = await FrameCaller.open(server.address);
    callers.set(server, caller);
  }
  return said(await soon(caller.call(headers, body), `${body.length} frames`));
}

/** What both lanes say. */
async function askBoth(headers: readonly Header[], body: readonly Uint8Array[]): Promise<Said> {
  const [byFast, byAdapter] = await Promise.all([ask(fast, headers, body), ask(adapter, headers, body)]);
  expect(byFast).toEqual(byAdapter);
  return byFast;
}

/** What a handler that gives back what it gets must say of these bytes, if they are a message. */
function echoOf(bytes: Uint8Array): Said | undefined {
  try {
    const { text, count, data } = fromBinary(QuestionSchema, bytes);
    // The contract's rule.
    return count < 0 || count > 1_000
      ? undefined
      : { kind: 'ok', text, count, data: Buffer.from(data).toString('base64') };
  } catch {
    return undefined;
  }
}

function envelope(flags: number, length: number, bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, bytes]);
}

const whole = toBinary(
  QuestionSchema,
  create(QuestionSchema, { text: 'whole', count: 7, data: Uint8Array.of(1, 2, 3) }),
);

describe('one message', () => {
  test('cut off at every byte is an error, and all of it is answered', async () => {
    const body = envelope(0, whole.length, whole);
    for (let length = 0; length < body.length; length += 1) {
      expect(await askBoth(GRPC_HEADERS, [body.subarray(0, length)])).toMatchObject({ kind: 'error' });
    }
    expect(await askBoth(GRPC_HEADERS, [body])).toEqual(echoOf(whole));
  });

  test('in two frames cut at every byte is answered', async () => {
    const body = envelope(0, whole.length, whole);
    for (let length = 0; length <= body.length; length += 1) {
      expect(await askBoth(GRPC_HEADERS, [body.subarray(0, length), body.subarray(length)])).toEqual(echoOf(whole));
    }
  });

  test('in Connect is answered where what is left of it is a message, and refused elsewhere', async () => {
    for (let length = 0; length <= whole.length; length += 1) {
      const bytes = whole.subarray(0, length);
      expect(await askBoth(CONNECT_HEADERS, [bytes])).toEqual(
        echoOf(bytes) ?? expect.objectContaining({ kind: 'error' }),
      );
    }
  });

  test.each([
    ['gzip', gzipSync(whole)],
    ['br', brotliCompressSync(whole)],
  ])('compressed by %s and cut off at every byte is an error', async (encoding, bytes) => {
    for (let length = 0; length < bytes.length; length += 1) {
      const cut = bytes.subarray(0, length);
      // No bytes are a message of none, compressed or not.
      const expected = length === 0 ? { kind: 'ok', text: '' } : { kind: 'error' };
      const grpc = withHeaders({ 'grpc-encoding': encoding });
      expect(await askBoth(grpc, [envelope(1, length, cut)])).toMatchObject(expected);
      const connect = withHeaders({ 'content-encoding': encoding }, CONNECT_HEADERS);
      expect(await askBoth(connect, [cut])).toMatchObject(expected);
    }
  });
});

test.each([
  ['without compression', GRPC_HEADERS],
  ['with gzip', withHeaders({ 'grpc-encoding': 'gzip' })],
])('every envelope, %s', async (_name, headers) => {
  const lengths = [0, 1, whole.length, whole.length + 1, 2 ** 31, 2 ** 32 - 1];
  for (let flags = 0; flags < 256; flags += 1) {
    for (const length of lengths) {
      const answer = await askBoth(headers, [envelope(flags, length, whole)]);
      const isMessage = length === whole.length && (flags & 1) === 0;
      expect(answer, `flags ${flags}, length ${length}`).toEqual(
        isMessage ? echoOf(whole) : expect.objectContaining({ kind: 'error' }),
      );
    }
  }
});

const bytes = fc.uint8Array({ maxLength: 200 });
/** Where to cut a body, as shares of it. */
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 });

function cutAt(body: Uint8Array, shares: readonly number[]): Uint8Array[] {
  const places = [0, ...shares.map((share) => Math.round(share * body.length)).sort((a, b) => a - b), body.length];
  const pieces = places.slice(1).map((end, index) => body.subarray(places[index], end));
  // Node ends a connection that has sent a thousand empty frames in all.
  const filled = pieces.filter(({ length }) => length > 0);
  return filled.length === 0 ? [body] : filled;
}

describe('any bytes', () => {
  test('as gRPC', () =>
    fc.assert(
      fc.asyncProperty(bytes, cuts, async (body, shares) => {
        await askBoth(GRPC_HEADERS, cutAt(body, shares));
      }),
      tries(),
    ));

  test('in an envelope', () =>
    fc.assert(
      fc.asyncProperty(bytes, cuts, async (body, shares) => {
        const answer = await askBoth(GRPC_HEADERS, cutAt(envelope(0, body.length, body), shares));
        expect(answer).toEqual(echoOf(body) ?? expect.objectContaining({ kind: 'error' }));
      }),
      tries(2),
    ));

  test('as Connect', () =>
    fc.assert(
      fc.asyncProperty(bytes, cuts, async (body, shares) => {
        const answer = await askBoth(CONNECT_HEADERS, cutAt(body, shares));
        expect(answer).toEqual(echoOf(body) ?? expect.objectContaining({ kind: 'error' }));
      }),
      tries(2),
    ));

  test.each([
    ['bytes', bytes],
    ['JSON', fc.json().map((text) => Buffer.from(text))],
    [
      'JSON of the contract',
      fc
        .record({ text: fc.string({ unit: 'binary' }), count: fc.integer({ min: 0, max: 1_000 }) })
        .map((value) => Buffer.from(JSON.stringify(value))),
    ],
    [
      'JSON of the contract, of other types',
      fc
        .record({ text: fc.anything(), count: fc.anything(), data: fc.anything() })
        .map((value) =>
          Buffer.from(JSON.stringify(value, (_key, one) => (typeof one === 'bigint' ? String(one) : one))),
        ),
    ],
  ])('as JSON: %s', (_name, bodies) =>
    fc.assert(
      fc.asyncProperty(bodies, cuts, async (body, shares) => {
        await askBoth(JSON_HEADERS, cutAt(body, shares));
      }),
      tries(),
    ),
  );

  test.each(['gzip', 'br'])('as %s', (encoding) =>
    fc.assert(
      fc.asyncProperty(bytes, async (body) => {
        await askBoth(withHeaders({ 'content-encoding': encoding }, CONNECT_HEADERS), [body]);
        await askBoth(withHeaders({ 'grpc-encoding': encoding }), [envelope(1, body.length, body)]);
      }),
      tries(0.5),
    ),
  );
});

describe('a good message', () => {
  const messages = fc.record({
    text: fc.string({ unit: 'binary', maxLength: 300 }),
    count: fc.integer({ min: 0, max: 1_000 }),
    data: fc.uint8Array({ maxLength: 300 }),
  });

  test('is given back whole, in whatever pieces it came', () =>
    fc.assert(
      fc.asyncProperty(messages, cuts, async (message, shares) => {
        const sent = toBinary(QuestionSchema, create(QuestionSchema, message));
        const expected = echoOf(sent);
        expect(await askBoth(GRPC_HEADERS, cutAt(envelope(0, sent.length, sent), shares))).toEqual(expected);
        expect(await askBoth(CONNECT_HEADERS, cutAt(sent, shares))).toEqual(expected);
      }),
      tries(2),
    ));

  test('with a byte changed is answered with what it then says, or refused', () =>
    fc.assert(
      fc.asyncProperty(messages, fc.nat(), fc.integer({ min: 1, max: 255 }), async (message, at, change) => {
        const sent = Buffer.from(toBinary(QuestionSchema, create(QuestionSchema, message)));
        if (sent.length > 0) {
          const place = at % sent.length;
          sent[place] = (sent[place] ?? 0) ^ change;
        }
        const expected = echoOf(sent) ?? expect.objectContaining({ kind: 'error' });
        expect(await askBoth(GRPC_HEADERS, [envelope(0, sent.length, sent)])).toEqual(expected);
      }),
      tries(2),
    ));

  test('of any length up to the limit is given back', async () => {
    // Around the sizes at which buffers and frames end.
    const around = [127, 128, 1_365, 1_366, 4_091, 4_096, 16_379, 16_384, 32_768, 65_530];
    for (const length of around.flatMap((near) => [near - 1, near, near + 1])) {
      const text = 'x'.repeat(length);
      expect(await askBoth(GRPC_HEADERS, cutFrames(question(text)))).toMatchObject({ kind: 'ok', text });
    }
  });

  test('in frames of one byte is given back', async () => {
    const text = 'y'.repeat(5_000);
    const frames = [...question(text)].map((byte) => Uint8Array.of(byte));
    expect(await askBoth(GRPC_HEADERS, frames)).toMatchObject({ kind: 'ok', text });
  });

  test('between empty frames is given back', async () => {
    const frames = [...question('empty')].flatMap((byte) => [new Uint8Array(), Uint8Array.of(byte), new Uint8Array()]);
    expect(await askBoth(GRPC_HEADERS, frames)).toMatchObject({ kind: 'ok', text: 'empty' });
  });
});

/** In frames as large as may be. */
function cutFrames(body: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += 16_384) {
    frames.push(body.subarray(at, at + 16_384));
  }
  return frames;
}
