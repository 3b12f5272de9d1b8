// Anything at all on a connection: no bytes, any bytes, frames that HTTP/2 forbids, floods. The connection may end; the server and
// the calls of others go on.

import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { RunningServer } from '../../src/server/serve.ts';
import { FLAG, FRAME, FrameCaller, frame, type Header, headerBlock, PREFACE, uint32 } from './frames.ts';
import { said } from './right.ts';
import './patience.ts';
import { askPolitely, GRPC_HEADERS, question, serveTarget, soon, tries } from './subject.ts';

let server: RunningServer;

beforeAll(async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  server = await serveTarget();
});
afterEach(async () => {
  await askPolitely(server.address);
});
afterAll(async () => {
  vi.restoreAllMocks();
  await server.close();
});

/** Writes, hangs up, and waits until the server has as well. */
async function send(bytes: Uint8Array, isPolite: boolean): Promise<string> {
  const caller = await FrameCaller.open(server.address, isPolite);
  caller.write(bytes);
  return soon(caller.hangUp(), Buffer.from(bytes).toString('hex').slice(0, 400));
}

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const frames = fc
  .array(
    fc
      .tuple(
        fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 9 }) }, fc.integer({ min: 0, max: 255 })),
        fc.oneof(fc.constantFrom(0, 1, 4, 5, 8, 0x20, 0x25), fc.integer({ min: 0, max: 255 })),
        fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 9 }) }, fc.integer({ min: 0, max: 2 ** 32 - 1 })),
        fc.oneof(bytes(40), fc.constant(headerBlock(GRPC_HEADERS)), fc.constant(question('x')), fc.nat().map(uint32)),
      )
      .map(([type, flags, id, payload]) => frame(type, flags, id, payload)),
    { maxLength: 20 },
  )
  .map((all) => Buffer.concat(all));

describe('a connection of', () => {
  test('any bytes', () =>
    fc.assert(
      fc.asyncProperty(bytes(2_000), (garbage) => send(garbage, false).then(() => {})),
      tries(),
    ));

  test('the preface and any bytes', () =>
    fc.assert(
      fc.asyncProperty(bytes(2_000), (garbage) => send(Buffer.concat([PREFACE, garbage]), false).then(() => {})),
      tries(),
    ));

  test('a part of the preface', async () => {
    for (let length = 0; length < PREFACE.length; length += 1) {
      await send(PREFACE.subarray(0, length), false);
    }
  });

  test('any frames', () =>
    fc.assert(
      fc.asyncProperty(frames, (all) => send(all, true).then(() => {})),
      tries(3),
    ));

  test('a good call with a byte changed anywhere', () => {
    const good = Buffer.concat([
      frame(FRAME.headers, FLAG.endHeaders, 1, headerBlock(GRPC_HEADERS)),
      frame(FRAME.data, FLAG.endStream, 1, question('changed')),
    ]);
    return fc.assert(
      fc.asyncProperty(fc.nat({ max: good.length - 1 }), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = Buffer.from(good);
        changed[at] = (changed[at] ?? 0) ^ change;
        await send(changed, true);
      }),
      tries(3),
    );
  });

  test.each([
    'GET / HTTP/1.1\r\nhost: x\r\n\r\n',
    '\u0016\u0003\u0001\u0002\u0000',
    '\n',
    'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n',
  ])('another protocol: %j', async (text) => {
    const caller = await FrameCaller.open(server.address, false);
    caller.write(Buffer.from(text, 'latin1'));
    // It is told, or cut off, without having to hang up.
    await soon(text === '\n' || text.length < 6 ? caller.hangUp() : caller.ended, text);
  });
});

test.each([
  ['nothing', Buffer.alloc(0)],
  ['half the preface', PREFACE.subarray(0, 10)],
])('a connection that says %s is ended', async (_name, said) => {
  const strict = await serveTarget({ limits: { handshakeMaxMs: 50 } });
  try {
    const caller = await FrameCaller.open(strict.address, false);
    caller.write(said);
    await Promise.race([
      caller.ended,
      new Promise((_resolve, reject) => setTimeout(() => reject(new Error('it is still open')), 2_000)),
    ]);
  } finally {
    await strict.close();
  }
});

const BEGIN = frame(FRAME.headers, FLAG.endHeaders, 1, headerBlock(GRPC_HEADERS));

/** What HTTP/2 forbids: each ends the stream or the connection, or is passed over. */
const FORBIDDEN: readonly (readonly [string, Uint8Array])[] = [
  ['DATA on stream 0', frame(FRAME.data, 0, 0, question('x'))],
  ['DATA on a stream that nobody opened', frame(FRAME.data, 0, 5, question('x'))],
  ['HEADERS on stream 0', frame(FRAME.headers, FLAG.endHeaders, 0, headerBlock(GRPC_HEADERS))],
  ['HEADERS on a stream of the server', frame(FRAME.headers, FLAG.endHeaders, 2, headerBlock(GRPC_HEADERS))],
  [
    'streams that go backwards',
    Buffer.concat([
      frame(FRAME.headers, 5, 5, headerBlock(GRPC_HEADERS)),
      frame(FRAME.headers, 5, 3, headerBlock(GRPC_HEADERS)),
    ]),
  ],
  ['a second block that does not end the stream', Buffer.concat([BEGIN, BEGIN])],
  [
    'DATA after the end',
    Buffer.concat([BEGIN, frame(FRAME.data, 1, 1, question('x')), frame(FRAME.data, 1, 1, question('x'))]),
  ],
  [
    'padding that is longer than its frame',
    Buffer.concat([BEGIN, frame(FRAME.data, FLAG.padded, 1, Uint8Array.of(200, 0))]),
  ],
  [
    'a frame in the middle of a block',
    Buffer.concat([frame(FRAME.headers, 0, 1, headerBlock(GRPC_HEADERS)), frame(FRAME.ping, 0, 0, new Uint8Array(8))]),
  ],
  ['CONTINUATION of nothing', frame(FRAME.continuation, FLAG.endHeaders, 1, headerBlock(GRPC_HEADERS))],
  ['PUSH_PROMISE of a client', frame(FRAME.push, FLAG.endHeaders, 1, uint32(2))],
  ['SETTINGS of a length that is none', frame(FRAME.settings, 0, 0, new Uint8Array(5))],
  ['SETTINGS with an impossible window', frame(FRAME.settings, 0, 0, Buffer.from([0, 4, 255, 255, 255, 255]))],
  ['SETTINGS with an impossible frame size', frame(FRAME.settings, 0, 0, Buffer.from([0, 5, 0, 0, 0, 1]))],
  ['PING of a length that is none', frame(FRAME.ping, 0, 0, new Uint8Array(7))],
  ['WINDOW_UPDATE of nothing', Buffer.concat([BEGIN, frame(FRAME.windowUpdate, 0, 1, uint32(0))])],
  ['WINDOW_UPDATE beyond the greatest window', frame(FRAME.windowUpdate, 0, 0, uint32(0x7fff_ffff))],
  ['PRIORITY on itself', frame(FRAME.priority, 0, 1, Buffer.from([0, 0, 0, 1, 0]))],
  ['RST_STREAM of a stream that nobody opened', frame(FRAME.reset, 0, 7, uint32(8))],
  ['a frame that is too long', frame(FRAME.data, 0, 1, new Uint8Array(20_000))],
  ['a block that names an entry of no table', frame(FRAME.headers, 5, 1, Uint8Array.of(0xff, 0x80, 0x7f))],
  ['a block that ends early', frame(FRAME.headers, 5, 1, headerBlock(GRPC_HEADERS).subarray(0, -3))],
  ['a block with a table larger than allowed', frame(FRAME.headers, 5, 1, Uint8Array.of(0x3f, 0xff, 0xff, 0xff, 0x0f))],
  [
    'a block with a length beyond all',
    frame(FRAME.headers, 5, 1, Uint8Array.of(0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)),
  ],
  ['a block of nothing', frame(FRAME.headers, 5, 1)],
  ['GOAWAY', frame(FRAME.goaway, 0, 0, new Uint8Array(8))],
  [
    'ORIGIN, ALTSVC and unknown frames',
    Buffer.concat([
      frame(0xa, 0, 0, new Uint8Array(4)),
      frame(0xc, 0, 0, new Uint8Array(4)),
      frame(0xfe, 255, 1, new Uint8Array(9)),
    ]),
  ],
];

describe('what HTTP/2 forbids', () => {
  test.each(FORBIDDEN)('%s', async (_name, all) => {
    await send(all, true);
  });
});

describe('a flood of', () => {
  const request = (id: number, flags: number = FLAG.endHeaders) =>
    frame(FRAME.headers, flags, id, headerBlock(GRPC_HEADERS));
  const repeated = (count: number, make: (n: number) => Uint8Array) =>
    Buffer.concat(Array.from({ length: count }, (_, n) => make(n)));

  test.each([
    ['SETTINGS', 20_000, () => frame(FRAME.settings, 0, 0, Buffer.from([0, 3, 0, 0, 0, 100]))],
    ['PING', 20_000, () => frame(FRAME.ping, 0, 0, new Uint8Array(8))],
    ['PRIORITY', 20_000, (n: number) => frame(FRAME.priority, 0, 2 * n + 1, Buffer.from([0, 0, 0, 0, 16]))],
    ['WINDOW_UPDATE', 20_000, () => frame(FRAME.windowUpdate, 0, 0, uint32(1))],
    ['unknown frames', 20_000, () => frame(0xee, 0, 0, new Uint8Array(20))],
    ['RST_STREAM', 20_000, (n: number) => frame(FRAME.reset, 0, 2 * n + 1, uint32(8))],
    [
      'streams that are opened and reset',
      5_000,
      (n: number) => Buffer.concat([request(2 * n + 1), frame(FRAME.reset, 0, 2 * n + 1, uint32(8))]),
    ],
    [
      'whole calls that are reset',
      3_000,
      (n: number) =>
        Buffer.concat([
          request(2 * n + 1),
          frame(FRAME.data, 1, 2 * n + 1, question('x')),
          frame(FRAME.reset, 0, 2 * n + 1, uint32(8)),
        ]),
    ],
    ['streams that are opened, more than allowed', 3_000, (n: number) => request(2 * n + 1)],
    [
      'blocks that cannot be read',
      2_000,
      (n: number) => frame(FRAME.headers, 5, 2 * n + 1, Uint8Array.of(0xff, 0xff, 0x7f)),
    ],
    [
      'headers that are malformed',
      3_000,
      (n: number) => frame(FRAME.headers, 5, 2 * n + 1, headerBlock([[':path', '/']])),
    ],
  ])('%s', async (_name, count, make) => {
    await send(repeated(count, make), true);
  });

  test('empty DATA', async () => {
    await send(Buffer.concat([request(1), repeated(20_000, () => frame(FRAME.data, 0, 1))]), true);
  });

  test('CONTINUATION', async () => {
    const part = headerBlock([['x-a', 'y'.repeat(100)]]);
    await send(Buffer.concat([request(1, 0), repeated(20_000, () => frame(FRAME.continuation, 0, 1, part))]), true);
  });

  test('headers by one byte each, from a table', async () => {
    // Enters a long header once, and names it 16,000 times: 64 MB, were it believed.
    const long = Buffer.concat([Buffer.from([0x40]), headerBlock([['x-bomb', 'y'.repeat(3_000)]]).subarray(1)]);
    const caller = await FrameCaller.open(server.address);
    const { id, answer } = caller.stream();
    const block = Buffer.concat([headerBlock(GRPC_HEADERS), long, Buffer.alloc(12_000, 0xbe)]);
    caller.write(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, id, block));
    expect((await soon(answer, 'a bomb of headers')).end).not.toBe('ended');
    caller.close();
  });

  test('good calls, each of which gets its answer', async () => {
    const caller = await FrameCaller.open(server.address);
    const texts = Array.from({ length: 1_000 }, (_, n) => `call ${n}`);
    const answers = await soon(
      Promise.all(texts.map((text) => caller.call(GRPC_HEADERS, [question(text)]))),
      'good calls',
    );
    expect(answers.map((answer) => said(answer))).toEqual(
      texts.map((text) => expect.objectContaining({ kind: 'ok', text })),
    );
    caller.close();
  });
});

test('headers larger than allowed, in several frames, are refused by their call alone', async () => {
  const caller = await FrameCaller.open(server.address);
  const { id, answer } = caller.stream();
  const block = headerBlock([
    ...GRPC_HEADERS,
    ...Array.from({ length: 5 }, (_, n): Header => [`x-long-${n}`, 'y'.repeat(8_000)]),
  ]);
  const parts = [block.subarray(0, 16_384), block.subarray(16_384, 32_768), block.subarray(32_768)];
  caller.write(
    Buffer.concat(
      parts.map((part, n) =>
        frame(n === 0 ? FRAME.headers : FRAME.continuation, (n === 0 ? 1 : 0) | (n === 2 ? 4 : 0), id, part),
      ),
    ),
  );
  expect(said(await soon(answer, 'large headers'))).toMatchObject({ kind: 'error', code: 8 });
  expect(said(await soon(caller.call(GRPC_HEADERS, [question('next')]), 'the next'))).toMatchObject({ text: 'next' });
  caller.close();
});

test('calls of one connection whose frames are mixed, and some of which are left, get each its own answer', () => {
  type Step = { readonly call: number; readonly kind: 'piece' | 'reset' };
  const calls = 12;
  const step: fc.Arbitrary<Step> = fc.record({
    call: fc.nat({ max: calls - 1 }),
    kind: fc.oneof({ weight: 9, arbitrary: fc.constant<'piece'>('piece') }, fc.constant<'reset'>('reset')),
  });
  return fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 120 }), async (steps) => {
      const caller = await FrameCaller.open(server.address);
      const open = Array.from({ length: calls }, (_, n) => {
        const { id, answer } = caller.stream();
        const text = `mixed ${n} ${'z'.repeat(n * 7)}`;
        caller.write(frame(FRAME.headers, FLAG.endHeaders, id, headerBlock(GRPC_HEADERS)));
        return { id, answer, text, rest: question(text), isLeft: false };
      });
      for (const { call, kind } of steps) {
        const one = open[call];
        if (one === undefined || one.isLeft) {
          continue;
        }
        if (kind === 'reset') {
          one.isLeft = true;
          caller.write(frame(FRAME.reset, 0, one.id, uint32(8)));
        } else if (one.rest.length > 5) {
          caller.write(frame(FRAME.data, 0, one.id, one.rest.subarray(0, 5)));
          one.rest = one.rest.subarray(5);
        }
      }
      for (const { id, rest, isLeft } of open) {
        if (!isLeft) {
          caller.write(frame(FRAME.data, FLAG.endStream, id, rest));
        }
      }
      const kept = open.filter(({ isLeft }) => !isLeft);
      const answers = await soon(Promise.all(kept.map(({ answer }) => answer)), 'mixed calls');
      expect(answers.map((answer) => said(answer))).toEqual(
        kept.map(({ text }) => expect.objectContaining({ kind: 'ok', text })),
      );
      caller.close();
    }),
    tries(0.5),
  );
});
