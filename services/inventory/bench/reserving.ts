/**
 * The cases about CreateReservation for many at once: a hot SKU, a broad catalogue, and the batches by themselves.
 */

import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { CreateReservationRequestSchema } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { openPool, sqlOn } from '@weft/runtime/data/pool';
import { reserver } from '../src/reservations/reserve.ts';
import type { Settings } from './inventory.ts';
import type { LoadOptions, LoadResult } from './load.ts';
import { median, spread, table } from './report.ts';
import type { BenchDatabase, BenchServer, Stand, Usage, Variant } from './stand.ts';

const VARIANTS: readonly Variant[] = ['ours', 'single', 'for-update'];
const CONCURRENCY = [64, 128, 256, 512];

const WARM_CALLERS = 64;
const WARM_SECONDS = 2;

type Load = Pick<LoadOptions, 'callers' | 'skus' | 'lines'>;
/** Where one variant is at work: what the others leave behind, such as dead versions of a row, is not its burden. */
type Stall = { readonly server: BenchServer; readonly database: BenchDatabase };

type Turn = LoadResult & Usage;

/** Calls a second, and what a whole core of the server's process would do: calls by the CPU that they cost it. */
const rate = ({ calls, seconds }: Turn) => calls / seconds;
const perCore = ({ calls, serverMs }: Turn) => calls / (serverMs / 1_000);

/** Every variant has its turn in every round, in a database of its own; gives the turns of each. */
async function takeTurns(
  stand: Stand,
  { rounds, seconds }: Settings,
  variants: readonly Variant[],
  load: Load,
  stalls: Map<Variant, Stall>,
): Promise<Map<Variant, Turn[]>> {
  const turns = new Map<Variant, Turn[]>(variants.map((variant) => [variant, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const variant of variants) {
      const stall = stalls.get(variant) ?? (await warmStall(stand, variant, load));
      stalls.set(variant, stall);
      turns.get(variant)?.push(await stand.load(stall.server, { ...load, seconds }));
    }
  }
  return turns;
}

/** A server whose code is compiled and whose connections are made: a turn that is not counted. */
async function warmStall(stand: Stand, variant: Variant, load: Load): Promise<Stall> {
  const database = await stand.database({ skus: load.skus });
  const server = await stand.serve(variant, database);
  await stand.load(server, { ...load, callers: Math.max(load.callers, WARM_CALLERS), seconds: WARM_SECONDS });
  return { server, database };
}

/** Ratios of ours to another variant, round by round. */
function ratios(turns: ReadonlyMap<Variant, readonly Turn[]>, other: Variant, of: (turn: Turn) => number): number[] {
  return (turns.get('ours') ?? []).map((turn, round) => {
    const compared = turns.get(other)?.[round];
    return compared === undefined ? 0 : of(turn) / of(compared);
  });
}

function rows(callers: string, turns: ReadonlyMap<Variant, readonly Turn[]>): string[][] {
  return [...turns].map(([variant, of]) => [
    callers,
    variant,
    spread(of.map(rate)),
    spread(of.map(perCore)),
    spread(
      of.map(({ p50Ms }) => p50Ms),
      1,
    ),
    spread(
      of.map(({ p99Ms }) => p99Ms),
      1,
    ),
    spread(of.map(({ serverMs, calls }) => (serverMs * 1_000) / calls)),
    spread(of.map(({ postgresMs, calls }) => (postgresMs * 1_000) / calls)),
    spread(of.map(({ loadMs, calls }) => (loadMs * 1_000) / calls)),
    `${of.reduce((sum, { refused }) => sum + Object.values(refused).reduce((all, one) => all + one, 0), 0)}`,
    variant === 'ours' ? '' : spread(ratios(turns, variant, rate), 1),
    variant === 'ours' ? '' : spread(ratios(turns, variant, perCore), 1),
  ]);
}

const HEAD = [
  'callers',
  'variant',
  'calls/s (wall clock, all on one machine)',
  'calls per CPU second of the server',
  'p50 ms',
  'p99 ms',
  'server us',
  'postgres us',
  'load us',
  'refused',
  'ours faster by (calls/s)',
  'ours cheaper by (server core)',
];

/** Units that are reserved, and what the reservations add up to: a difference, or more than there is, were oversold. */
async function oversold({ pool }: BenchDatabase): Promise<string> {
  const { rows: found } = await pool.query<{ count: bigint }>(`
    SELECT count(*) AS count FROM stock s LEFT JOIN (
      SELECT sku, sum(quantity) AS quantity FROM allocations GROUP BY sku) a USING (sku)
    WHERE s.reserved <> coalesce(a.quantity, 0) OR s.reserved > s.on_hand`);
  return `Stock rows that were oversold or drifted: ${found[0]?.count}.`;
}

async function oversoldAnywhere(stalls: ReadonlyMap<Variant, Stall>): Promise<string> {
  const found = await Promise.all([...stalls].map(async ([of, { database }]) => `${of}: ${await oversold(database)}`));
  return found.join(' ');
}

/** One item that everybody wants. */
export async function hot(stand: Stand, settings: Settings): Promise<string> {
  const drained = await soldOut(stand);
  const stalls = new Map<Variant, Stall>();
  const lines: string[][] = [];
  for (const callers of CONCURRENCY) {
    lines.push(
      ...rows(`${callers}`, await takeTurns(stand, settings, VARIANTS, { callers, skus: 1, lines: 1 }, stalls)),
    );
  }
  return [
    'Wanted: 8,000/s on one core of the server from 64 to 512 callers, without a drop; p99 at most 50 ms; 5 times a single statement, 10 times SELECT FOR UPDATE.',
    table(HEAD, lines),
    await oversoldAnywhere(stalls),
    drained,
  ].join('\n\n');
}

/** The same until nothing is left: exactly as many succeed as there are units. */
async function soldOut(stand: Stand): Promise<string> {
  const units = 5_000;
  const database = await stand.database({ skus: 1, onHand: units });
  const server = await stand.serve('ours', database);
  const { calls, refused } = await stand.load(server, { callers: 512, seconds: 4, skus: 1, lines: 1 });
  return `Of ${units} units ${calls} were sold to 512 callers; refused: ${JSON.stringify(refused)}. ${await oversold(database)}`;
}

/** 10,000 items, three lines each. */
export async function uniform(stand: Stand, settings: Settings): Promise<string> {
  const stalls = new Map<Variant, Stall>();
  const lines: string[][] = [];
  for (const callers of [64, 256]) {
    const load = { callers, skus: 10_000, lines: 3 };
    lines.push(...rows(`${callers}`, await takeTurns(stand, settings, ['ours', 'single'], load, stalls)));
  }
  return ['Wanted: 3 times a single statement.', table(HEAD, lines), await oversoldAnywhere(stalls)].join('\n\n');
}

/** The batches by themselves, in this process and without RPC: what the database takes. */
export async function statement(stand: Stand, { rounds, seconds }: Settings): Promise<string> {
  const database = await stand.database({ skus: 1 });
  const lines: string[][] = [];
  for (const maxConnections of [1, 2]) {
    const pool = openPool({ databaseUrl: database.url, workload: 'inventory', maxConnections });
    try {
      const reserve = reserver(pool, sqlOn(pool), 4_096);
      const one = () => reserve({ request: oneOfTheHot(), principal: 'bench' });
      for (const callers of [64, 256, 512]) {
        await closedLoop(one, callers, WARM_SECONDS);
        const turns = [];
        for (let round = 0; round < rounds; round += 1) {
          const before = stand.usage(process.pid);
          const { calls, ms } = await closedLoop(one, callers, seconds);
          const after = stand.usage(process.pid);
          turns.push({
            rate: (calls * 1_000) / ms,
            ownUs: ((after.serverMs - before.serverMs) * 1_000) / calls,
            postgresUs: ((after.postgresMs - before.postgresMs) * 1_000) / calls,
          });
        }
        const rates = turns.map(({ rate: each }) => each);
        lines.push([
          `${maxConnections}`,
          `${callers}`,
          spread(rates),
          spread(turns.map(({ ownUs }) => ownUs)),
          spread(turns.map(({ postgresUs }) => postgresUs)),
          median(rates) >= 20_000 ? 'yes' : 'no',
        ]);
      }
    } finally {
      await pool.end();
    }
  }
  return [
    'Wanted: 20,000/s. Planning, hashing and encoding are included.',
    table(['connections', 'callers', 'reservations/s', 'process us', 'postgres us', 'reached'], lines),
    await oversold(database),
  ].join('\n\n');
}

function oneOfTheHot() {
  return create(CreateReservationRequestSchema, {
    requestId: randomUUID(),
    lines: [{ sku: 'S-1', quantity: 1n }],
    ttl: { seconds: 3_600n },
  });
}

async function closedLoop(call: () => Promise<unknown>, callers: number, seconds: number) {
  const begun = performance.now();
  let calls = 0;
  const caller = async () => {
    while (performance.now() - begun < seconds * 1_000) {
      await call();
      calls += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { calls, ms: performance.now() - begun };
}
