/** What a server keeps of each connection that is idle, and of each call that is open. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Call } from '../load/calls.ts';
import type { Settings } from '../settings.ts';
import { median } from '../statistics.ts';
import type { Memory } from '../worker.ts';
import type { Case, Table } from './case.ts';
import { chosen, type LoadWorker, startLoad, startServer } from './start.ts';

const VARIANTS = ['ours', 'grpc-js', 'connect-node', 'bare'];
const IDLE_CONNECTIONS = 500;
const OPEN_CALLS = 2_000;
const OPEN_CALL_CONNECTIONS = 4;
/** Until what was sent has arrived and is being answered. */
const SETTLE_MS = 500;
/** So that what a process loads and makes at its first calls is not counted for a connection. */
const WARM_UP_CALLS = 2_000;
/** Each needs fresh processes, and memory varies less than time. */
const ROUNDS_MAX = 3;

const PLACE_ORDER: Call = { protocol: 'grpc', rpc: 'PlaceOrder' };
const HOLD_ORDER: Call = { protocol: 'grpc', rpc: 'HoldOrder', deadline: false };

type Bytes = { readonly heap: number; readonly resident: number };
type Kept = { readonly name: string; readonly session: Bytes; readonly call: Bytes };

export const memoryCase: Case = {
  name: 'server-memory',
  title: 'Servers, KiB kept for each idle connection and for each open gRPC call',
  variants: VARIANTS,
  async run(settings) {
    const load = await startLoad();
    const kept: Kept[] = [];
    const rounds = Math.min(ROUNDS_MAX, settings.rounds);
    for (let round = 0; round < rounds; round += 1) {
      for (const name of chosen(VARIANTS, settings)) {
        settings.progress(`round ${round + 1} of ${rounds}: ${name}`);
        kept.push(await measure(name, load, settings));
      }
    }
    return { tables: [tableOf(this.title, kept)], raw: kept };
  },
};

async function measure(name: string, load: LoadWorker, settings: Settings): Promise<Kept> {
  const server = await startServer(name, { settings, execArgv: ['--expose-gc'] });
  try {
    const address = await server.ask('address');
    const warmUp = { callers: settings.callers, ms: settings.warmUpMs, calls: WARM_UP_CALLS };
    await load.ask('drive', { address, call: PLACE_ORDER, connections: 1, ...warmUp });
    const before = await server.ask('memory');
    await load.ask('idle', { address, call: PLACE_ORDER, connections: IDLE_CONNECTIONS });
    await delay(SETTLE_MS);
    const withSessions = await server.ask('memory');
    await load.ask('hold', { address, call: HOLD_ORDER, connections: OPEN_CALL_CONNECTIONS, calls: OPEN_CALLS });
    await delay(SETTLE_MS);
    const withCalls = await server.ask('memory');
    return {
      name,
      session: difference(before, withSessions, IDLE_CONNECTIONS),
      call: difference(withSessions, withCalls, OPEN_CALLS),
    };
  } finally {
    await server.end();
  }
}

function difference(before: Memory, after: Memory, count: number): Bytes {
  const heap = ({ heapBytes, externalBytes }: Memory) => heapBytes + externalBytes;
  return {
    heap: (heap(after) - heap(before)) / count,
    resident: (after.rssBytes - before.rssBytes) / count,
  };
}

function tableOf(title: string, kept: readonly Kept[]): Table {
  const kib = (name: string, of: (one: Kept) => number): string =>
    (median(kept.filter((one) => one.name === name).map(of)) / 1_024).toFixed(1);
  return {
    title,
    head: ['', 'connection, heap', 'connection, RSS', 'call, heap', 'call, RSS'],
    rows: [...new Set(kept.map(({ name }) => name))].map((name) => [
      name,
      kib(name, ({ session }) => session.heap),
      kib(name, ({ session }) => session.resident),
      kib(name, ({ call }) => call.heap),
      kib(name, ({ call }) => call.resident),
    ]),
    notes: [
      `${IDLE_CONNECTIONS} connections, ${OPEN_CALLS} calls; heap is what is left after a full collection, external buffers included. RSS is what the kernel counts, which also has what the allocators keep.`,
    ],
  };
}
