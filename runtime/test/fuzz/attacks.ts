/**
 * Attacks that can be repeated without end, each a few hundred requests or frames of one kind: what the tests of memory and the
 * measurement of the neighbour are made of.
 */

import { gzipSync } from 'node:zlib';
import { FLAG, FRAME, FrameCaller, frame, headerBlock, uint32 } from './frames.ts';
import { ASK, GRPC_HEADERS, JSON_HEADERS, question, withHeaders } from './subject.ts';

export type Attack = { readonly name: string; run(address: string): Promise<void> };

const CALLS = 20;
const BOMB_BYTES = 32 * 1024 * 1024;
const bomb = gzipSync(Buffer.alloc(BOMB_BYTES));

/** Numbers that look random and are the same in every run. */
function* noise(seed: number): Generator<number> {
  let state = seed;
  while (true) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state >>> 16;
  }
}
const numbers = noise(1);
const next = (below: number): number => (numbers.next().value as number) % below;
const garbage = (length: number): Buffer => Buffer.from(Array.from({ length }, () => next(256)));

/** On a connection of its own, which is closed afterwards. */
async function onConnection(
  address: string,
  act: (caller: FrameCaller) => Promise<unknown>,
  isPolite = true,
): Promise<void> {
  const caller = await FrameCaller.open(address, isPolite);
  try {
    await act(caller);
  } finally {
    caller.close();
  }
}

function calling(name: string, call: (caller: FrameCaller, n: number) => Promise<unknown>, calls = CALLS): Attack {
  return {
    name,
    run: (address) =>
      onConnection(address, (caller) => Promise.all(Array.from({ length: calls }, (_, n) => call(caller, n)))),
  };
}

function flooding(name: string, make: (n: number) => Uint8Array, frames: number): Attack {
  return {
    name,
    run: (address) =>
      onConnection(address, async (caller) => {
        caller.write(Buffer.concat(Array.from({ length: frames }, (_, n) => make(n))));
        await caller.hangUp();
      }),
  };
}

function envelope(flags: number, length: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([flags]), uint32(length), bytes]);
}

export const attacks: readonly Attack[] = [
  calling('bodies that are no messages', (caller) => caller.call(GRPC_HEADERS, [garbage(40)])),
  calling('envelopes of nonsense', (caller) => {
    const bytes = garbage(40);
    return caller.call(GRPC_HEADERS, [envelope(0, bytes.length, bytes)]);
  }),
  calling('lengths of 4 GiB', (caller) => caller.call(GRPC_HEADERS, [envelope(0, 2 ** 32 - 1, garbage(5))])),
  calling('nonsense as JSON', (caller) => caller.call(JSON_HEADERS, [garbage(60)])),
  calling('nonsense as gzip', (caller) =>
    caller.call(withHeaders({ 'grpc-encoding': 'gzip' }), [envelope(1, 40, garbage(40))]),
  ),
  calling(
    'bombs',
    (caller) =>
      caller.call(withHeaders({ 'grpc-encoding': 'gzip' }), [
        envelope(1, bomb.length, new Uint8Array()),
        bomb.subarray(0, 16_000),
        bomb.subarray(16_000, 32_000),
        bomb.subarray(32_000),
      ]),
    1,
  ),
  calling('timeouts and encodings that nobody knows', (caller, n) =>
    caller.call(withHeaders({ 'grpc-timeout': `${n}x`, 'grpc-accept-encoding': `x${next(65_536)}, gzip` }), [
      question('x'),
    ]),
  ),
  calling('paths that nobody serves', (caller) =>
    caller.call(withHeaders({ ':path': `${ASK}${next(65_536)}` }), [question('x')]),
  ),
  calling('queries that nobody sends', (caller) =>
    caller.call(withHeaders({ ':path': `${ASK}?${next(65_536)}` }), [question('x')]),
  ),
  calling('many headers', (caller) =>
    caller.call(
      [...GRPC_HEADERS, ...Array.from({ length: 90 }, (_, n) => [`x-${n}-${next(65_536)}`, 'y'] as const)],
      [question('x')],
    ),
  ),
  flooding(
    'streams that are opened and reset',
    (n) =>
      Buffer.concat([
        frame(FRAME.headers, FLAG.endHeaders, 2 * n + 1, headerBlock(GRPC_HEADERS)),
        frame(FRAME.data, FLAG.endStream, 2 * n + 1, question('x')),
        frame(FRAME.reset, 0, 2 * n + 1, uint32(8)),
      ]),
    300,
  ),
  flooding(
    'streams that never end',
    (n) => frame(FRAME.headers, FLAG.endHeaders, 2 * n + 1, headerBlock(GRPC_HEADERS)),
    500,
  ),
  flooding('SETTINGS', () => frame(FRAME.settings, 0, 0, Buffer.from([0, 3, 0, 0, 0, 100])), 500),
  flooding('PING', () => frame(FRAME.ping, 0, 0, new Uint8Array(8)), 500),
  flooding(
    'DATA of one byte',
    (n) =>
      n === 0
        ? Buffer.concat([
            frame(FRAME.headers, FLAG.endHeaders, 1, headerBlock(GRPC_HEADERS)),
            frame(FRAME.data, 0, 1, envelope(0, 10_000, new Uint8Array())),
          ])
        : frame(FRAME.data, 0, 1, Uint8Array.of(0)),
    500,
  ),
  flooding('any frames', () => frame(next(12), next(256), next(8), garbage(next(60))), 50),
  {
    name: 'any bytes',
    run: async (address) => {
      for (let n = 0; n < 10; n += 1) {
        await onConnection(
          address,
          async (caller) => {
            caller.write(garbage(500));
            await caller.hangUp();
          },
          false,
        );
      }
    },
  },
];
