/**
 * One caller who waits for nobody: what batches cost him who would not need them. Both ways take turns call by call, so that whatever else the
 * machine does befalls both.
 */

import { randomUUID } from 'node:crypto';
import { ReservationService } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { connect } from '@weft/runtime/client/connect';
import type { Settings } from './inventory.ts';
import { median, quantile, spread, table } from './report.ts';
import type { Stand, Variant } from './stand.ts';

const VARIANTS: readonly Variant[] = ['ours', 'single'];
const SKUS = 10_000;
/** Calls of each before anything is counted. */
const WARM_CALLS = 200;

/** The hot item, and any of many. */
export async function lone(stand: Stand, settings: Settings): Promise<string> {
  const database = await stand.database({ skus: SKUS });
  const ways = await Promise.all(
    VARIANTS.map(async (variant) => {
      const { egress } = await stand.serve(variant, database);
      const { createReservation } = connect(ReservationService, { egress, policy: policies });
      return (sku: string) =>
        createReservation({ requestId: randomUUID(), lines: [{ sku, quantity: 1n }], ttl: { seconds: 3_600n } });
    }),
  );
  const rows: string[][] = [];
  for (const [name, skus] of [
    ['hot item', 1],
    ['any item', SKUS],
  ] as const) {
    const anySku = () => `S-${1 + Math.floor(Math.random() * skus)}`;
    for (let index = 0; index < WARM_CALLS; index += 1) {
      for (const way of ways) {
        await way(anySku());
      }
    }
    const rounds: number[][][] = [];
    for (let round = 0; round < settings.rounds; round += 1) {
      rounds.push(await alternate(ways, anySku, settings.seconds));
    }
    for (const [index, variant] of VARIANTS.entries()) {
      const of = rounds.map((round) => round[index] ?? []);
      const ratios = rounds.map(([ours = [], single = []]) => median(ours) / median(single));
      rows.push([
        name,
        variant,
        spread(of.map(median), 2),
        spread(
          of.map((ms) => quantile(ms, 0.99)),
          2,
        ),
        index === 0 ? spread(ratios, 2) : '',
      ]);
    }
  }
  return [
    'Wanted: at most 1.2 times a single statement, as the median of the rounds.',
    table(['item', 'variant', 'p50 ms', 'p99 ms', 'ratio of p50'], rows),
  ].join('\n\n');
}

/** Milliseconds of the calls of each way. The second finds the item's rows warm, so they begin in turns as well. */
async function alternate(
  ways: readonly ((sku: string) => Promise<unknown>)[],
  anySku: () => string,
  seconds: number,
): Promise<number[][]> {
  const turns = ways.map((way) => ({ way, ms: [] as number[] }));
  const end = performance.now() + seconds * 1_000;
  let backwards = false;
  while (performance.now() < end) {
    const sku = anySku();
    for (const { way, ms } of backwards ? turns.toReversed() : turns) {
      const begun = performance.now();
      await way(sku);
      ms.push(performance.now() - begun);
    }
    backwards = !backwards;
  }
  return turns.map(({ ms }) => ms);
}
