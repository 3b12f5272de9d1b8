/**
 * `node services/inventory/bench/watchers.ts`: how long after its commit a change is received by who watches it, over real gRPC from
 * inventory in a process of its own on a real PostgreSQL: by one watcher, and by a thousand, side by side in the same run.
 *
 *   --watchers 1000   streams, side by side with one
 *   --stream levels   or availability, which tells no more than a hundred units, and so no more than a hundred changes of an item
 *   --rate 1000       changes a second, one item each
 *   --seconds 10      how long each turn is
 *   --rounds 2        how often each has its turn
 *   --items 2         receivers of a change, and items of a stream
 *
 * Each change is a transaction of its own that books one unit in, written by this process straight to the database: a stock row,
 * then its change in the log, as inventory's own functions write them, and the wake after the commit. So the figures tell what watching
 * costs and nothing else. A delay is from the commit, as this process saw it return, to the client's receipt of that or a later state of
 * the item. Linux only, since CPU time is read from /proc.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { append } from '@weft/runtime/data/changes';
import { openPool, transaction } from '@weft/runtime/data/pool';
import { Client } from 'pg';
import { stockChange } from '../src/changes.ts';
import { startCluster } from './testing/cluster.ts';
import type { ClientOptions, Receipt } from './watchers-client.ts';

const { values: given } = parseArgs({
  options: {
    watchers: { type: 'string', default: '1000' },
    stream: { type: 'string', default: 'levels' },
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '2' },
    items: { type: 'string', default: '2' },
  },
});
const [watchers, rate, seconds, rounds, itemsEach] = [
  Number(given.watchers),
  Number(given.rate),
  Number(given.seconds),
  Number(given.rounds),
  Number(given.items),
];
const stream = given.stream === 'availability' ? 'availability' : 'levels';
/** Nothing here takes longer, in milliseconds. */
const BOUND_MS = 600_000;
/** How long the last changes may take to arrive, in milliseconds. */
const SETTLE_MS = 2_000;

/** What one turn showed. */
type Turn = {
  readonly changesPerS: number;
  readonly receipts: number;
  readonly missed: number;
  readonly delaysMs: readonly number[];
  readonly statementsPerS: number;
  readonly serverCpu: number;
  readonly serverMb: number;
};

const children: ChildProcess[] = [];
const bound = setTimeout(() => {
  process.stderr.write('the benchmark takes too long\n');
  process.exit(1);
}, BOUND_MS).unref();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

const skus = Array.from({ length: watchers }, (_, index) => `S-${index}`);
const cluster = await startCluster();
try {
  const url = await cluster.createDatabase('watchers');
  await fill(url);
  const turns: Record<'one' | 'many', Turn[]> = { one: [], many: [] };
  for (let round = 0; round < rounds; round += 1) {
    turns.one.push(await turn(url, 1));
    turns.many.push(await turn(url, watchers));
    process.stderr.write(`round ${round + 1} of ${rounds}\n`);
  }
  print(turns);
} finally {
  for (const child of children) child.kill('SIGKILL');
  await cluster.stop();
}
clearTimeout(bound);
process.exit();

async function fill(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(
    `INSERT INTO items (sku, name, description, category, gtin, weight_grams, length_mm, width_mm, height_mm, tax_category,
       customs_code, origin_country_code)
     SELECT sku, 'Item', '', 'bench', '', 1, 1, 1, 1, 'standard', '', '' FROM unnest($1::text[]) AS sku`,
    [skus],
  );
  await client.query(
    `INSERT INTO locations (location_id, name, recipient, address_lines, city, region_code, postal_code, country_code,
       time_zone, pick_priority, served_country_codes)
     VALUES ('a', 'a', '', '{}', '', '', '', 'DE', 'Europe/Berlin', 1, '{}')`,
  );
  await client.query(
    "INSERT INTO stock (sku, location_id, on_hand) SELECT sku, 'a', 1 FROM unnest($1::text[]) AS sku",
    [skus],
  );
  await client.query('VACUUM ANALYZE');
  await client.end();
}

/** So many watchers, on a server of their own, while changes are written. */
async function turn(url: string, count: number): Promise<Turn> {
  const server = start('watchers-server.ts', [url]);
  const [address] = (await once(server, 'message')) as [string];
  const client = start('watchers-client.ts', []);
  client.send({ address, stream, streams: streamsOf(count) } satisfies ClientOptions);
  await once(client, 'message');
  const before = { cpu: cpuMs(server), statements: await statements(server), atMs: performance.now() };
  const committed = await write(url);
  const tookMs = performance.now() - before.atMs;
  const after = { cpu: cpuMs(server), statements: await statements(server) };
  await delay(SETTLE_MS);
  client.send('take');
  const [receipts] = (await once(client, 'message')) as [Receipt[]];
  const serverMb = memoryMb(server);
  for (const child of [client, server]) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const changes = [...committed.values()].reduce((sum, times) => sum + times.length, 0);
  const { delaysMs, missed } = delays(committed, receipts, count);
  return {
    changesPerS: (changes * 1_000) / tookMs,
    receipts: receipts.length,
    missed,
    delaysMs,
    statementsPerS: ((after.statements - before.statements) * 1_000) / tookMs,
    serverCpu: ((after.cpu - before.cpu) * 100) / tookMs,
    serverMb,
  };
}

/** The items of each stream: a window over all of them. */
function streamsOf(count: number): string[][] {
  return Array.from({ length: count }, (_, index) =>
    Array.from({ length: itemsEach }, (_, offset) => skus[(index + offset) % skus.length] ?? ''),
  );
}

/** Changes at the rate; when each was committed, by item. */
async function write(url: string): Promise<Map<string, { readonly onHand: number; readonly atMs: number }[]>> {
  const pool = openPool({ databaseUrl: url, workload: 'bench', maxConnections: 8 });
  const committed = new Map<string, { onHand: number; atMs: number }[]>();
  const running = new Set<Promise<void>>();
  const change = async (sku: string) => {
    const onHand = await transaction(pool, async (tx) => {
      const { rows } = await tx.query<{ on_hand: bigint }>({
        name: 'bench_book_in',
        text: "UPDATE stock SET on_hand = on_hand + 1, update_time = now() WHERE sku = $1 AND location_id = 'a' RETURNING on_hand",
        values: [sku],
      });
      await append(tx, [stockChange({ sku, locationId: 'a' })]);
      return Number(rows[0]?.on_hand ?? 0n);
    });
    const times = committed.get(sku) ?? [];
    times.push({ onHand, atMs: performance.timeOrigin + performance.now() });
    committed.set(sku, times);
  };
  const begunMs = performance.now();
  for (let done = 0; performance.now() - begunMs < seconds * 1_000; ) {
    const due = ((performance.now() - begunMs) * rate) / 1_000;
    // What cannot be written in time is not: the rate that was reached is printed.
    for (; done < due && running.size < 64; done += 1) {
      const one = change(skus[done % skus.length] ?? '').finally(() => running.delete(one));
      running.add(one);
    }
    await delay(1);
  }
  await Promise.all(running);
  await pool.end();
  return committed;
}

/** For each change and each of its watchers, how long after the commit the first state as new was received. */
function delays(
  committed: Awaited<ReturnType<typeof write>>,
  receipts: readonly Receipt[],
  count: number,
): { delaysMs: number[]; missed: number } {
  const received = Map.groupBy(receipts, ({ stream, sku }) => `${stream} ${sku}`);
  const delaysMs: number[] = [];
  let missed = 0;
  for (const [stream, watched] of streamsOf(count).entries()) {
    for (const sku of watched) {
      const own = received.get(`${stream} ${sku}`) ?? [];
      let next = 0;
      for (const { onHand, atMs } of (committed.get(sku) ?? []).toSorted((a, b) => a.onHand - b.onHand)) {
        while (next < own.length && (own[next]?.onHand ?? 0) < onHand) next += 1;
        const receipt = own[next];
        if (receipt === undefined) {
          missed += 1;
        } else {
          delaysMs.push(Math.max(0, receipt.atMs - atMs));
        }
      }
    }
  }
  return { delaysMs, missed };
}

function print(turns: Record<'one' | 'many', Turn[]>): void {
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  say(
    `${rounds} rounds of ${seconds} s at ${rate} changes/s wanted, each concerning ${itemsEach} of ${watchers} watchers; streams of ${stream}; medians of rounds, delays over all.\n${cluster.settings}`,
  );
  for (const [name, some] of [
    ['1 watcher', turns.one],
    [`${watchers} watchers`, turns.many],
  ] as const) {
    const sorted = some.flatMap(({ delaysMs }) => delaysMs).toSorted((a, b) => a - b);
    const at = (share: number) =>
      (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1);
    const middle = (of: (turn: Turn) => number) => some.map(of).toSorted((a, b) => a - b)[some.length >> 1] ?? 0;
    say(
      [
        name.padEnd(14),
        `delay p50 ${at(0.5)} p99 ${at(0.99)} max ${at(1)} ms of ${sorted.length}`,
        `missed ${some.reduce((sum, { missed }) => sum + missed, 0)}`,
        `${middle(({ changesPerS }) => changesPerS).toFixed(0)} changes/s`,
        `${middle(({ receipts }) => receipts / seconds).toFixed(0)} messages/s`,
        `${middle(({ statementsPerS }) => statementsPerS).toFixed(0)} statements/s by the server`,
        `server ${middle(({ serverCpu }) => serverCpu).toFixed(0)} % CPU, ${middle(({ serverMb }) => serverMb).toFixed(0)} MB`,
      ].join('; '),
    );
  }
}

function start(module: string, args: readonly string[]): ChildProcess {
  const child = fork(fileURLToPath(new URL(module, import.meta.url)), args, {
    env: { PATH: process.env.PATH ?? '', OTEL_SDK_DISABLED: 'true', WEFT_LOG_LEVEL: 'error' },
    serialization: 'advanced',
  });
  children.push(child);
  return child;
}

/** Statements that the server has run so far. */
async function statements(server: ChildProcess): Promise<number> {
  server.send('statements');
  const [count] = (await once(server, 'message')) as [number];
  return count;
}

function cpuMs({ pid }: ChildProcess): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const ns = threads.map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
  );
  return ns.reduce((sum, value) => sum + value, 0) / 1_000_000;
}

function memoryMb({ pid }: ChildProcess): number {
  const [, kib = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1_024;
}
