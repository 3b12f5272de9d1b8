/**
 * Whether a large catalogue is slower than a small one: reserving, pages of items and availability, at 1,000 to 1,000,000 items.
 */

import { randomUUID } from 'node:crypto';
import { AvailabilityService } from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import { ItemOrder, ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { ReservationService } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { connect } from '@weft/runtime/client/connect';
import type { Settings } from './inventory.ts';
import { median, spread, table } from './report.ts';
import type { Stand } from './stand.ts';

const SIZES: readonly Size[] = [
  { skus: 1_000 },
  { skus: 10_000 },
  { skus: 100_000 },
  { skus: 1_000_000 },
  { skus: 1_000_000, holds: 100_000 },
];
/** Items before a deep page; half of all where there are fewer. */
const DEEP = 20_000;
const LARGEST_PAGE = 200;
/** Calls of one kind in a turn, one after the other. */
const CALLS = 200;

type Size = { readonly skus: number; readonly holds?: number };
type Probe = { readonly name: string; readonly call: () => Promise<unknown> };

/** Each size has its turn in each round; the figure of a turn is the median of its calls. */
export async function scale(stand: Stand, { rounds }: Settings): Promise<string> {
  const sizes = [];
  for (const size of SIZES) {
    const { egress } = await stand.serve('ours', await stand.database(size));
    sizes.push({ probes: await probes(egress, size.skus) });
  }
  const figures = new Map<string, number[][]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, { probes: all }] of sizes.entries()) {
      for (const { name, call } of all) {
        const turns = figures.get(name) ?? SIZES.map(() => []);
        figures.set(name, turns);
        turns[index]?.push(await medianMs(call));
      }
    }
  }
  const rows = [...figures].map(([name, turns]) => [
    name,
    ...turns.map((of) => spread(of, 2)),
    spread(ratios(turns, SIZES.length - 2), 2),
    spread(ratios(turns, SIZES.length - 1), 2),
  ]);
  return [
    'Wanted: with 1,000,000 items at most 1.3 times what it is with 1,000. Milliseconds, one call after the other.',
    table(['call', ...SIZES.map(titleOf), 'million over thousand', 'with holds over thousand'], rows),
  ].join('\n\n');
}

function titleOf({ skus, holds }: Size): string {
  const title = skus.toLocaleString('en');
  return holds === undefined ? title : `${title}, ${holds.toLocaleString('en')} holds and as many that ran out`;
}

/** A size over the smallest, round by round. */
function ratios(turns: readonly (readonly number[])[], size: number): number[] {
  return (turns[size] ?? []).map((ms, round) => ms / (turns[0]?.[round] ?? 1));
}

async function medianMs(call: () => Promise<unknown>): Promise<number> {
  const taken: number[] = [];
  for (let index = 0; index < CALLS; index += 1) {
    const begun = performance.now();
    await call();
    taken.push(performance.now() - begun);
  }
  return median(taken);
}

async function probes(egress: string, skus: number): Promise<Probe[]> {
  const to = { egress, policy: policies };
  const { createReservation } = connect(ReservationService, to);
  const { batchGetAvailability } = connect(AvailabilityService, to);
  const { listItems } = connect(ItemService, to);
  const anySku = () => `S-${1 + Math.floor(Math.random() * skus)}`;
  const pages = await Promise.all(
    [ItemOrder.UNSPECIFIED, ItemOrder.NAME, ItemOrder.CATEGORY, ItemOrder.NEWEST].map(async (order) => {
      let pageToken = '';
      for (let before = 0; before < Math.min(DEEP, skus / 2); before += LARGEST_PAGE) {
        ({ nextPageToken: pageToken } = await listItems({ pageSize: LARGEST_PAGE, order, pageToken }));
      }
      const by = `by ${order === ItemOrder.UNSPECIFIED ? 'SKU' : ItemOrder[order].toLowerCase()}`;
      return [
        { name: `ListItems, ${by}, first page`, call: () => listItems({ pageSize: 50, order }) },
        { name: `ListItems, ${by}, deep page`, call: () => listItems({ pageSize: 50, order, pageToken }) },
      ];
    }),
  );
  return [
    {
      name: 'CreateReservation',
      call: () =>
        createReservation({
          requestId: randomUUID(),
          lines: [{ sku: anySku(), quantity: 1n }],
          ttl: { seconds: 3_600n },
        }),
    },
    {
      name: 'BatchGetAvailability of 50',
      call: () => batchGetAvailability({ skus: [...new Set(Array.from({ length: 50 }, anySku))] }),
    },
    ...pages.flat(),
    { name: 'ListItems, by a word', call: () => listItems({ pageSize: 50, filter: 'item' }) },
  ];
}
