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

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
/** Calls of one kind in a turn, one after the other. */
const CALLS = 200;

type Probe = { readonly name: string; readonly call: (skus: number) => Promise<unknown> };

/** Each size has its turn in each round; the figure of a turn is the median of its calls. */
export async function scale(stand: Stand, { rounds }: Settings): Promise<string> {
  const sizes = [];
  for (const skus of SIZES) {
    const database = await stand.database({ skus });
    const { egress } = await stand.serve('ours', database);
    sizes.push({ skus, probes: probes(egress) });
  }
  const figures = new Map<string, number[][]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, { skus, probes: all }] of sizes.entries()) {
      for (const { name, call } of all) {
        const turns = figures.get(name) ?? SIZES.map(() => []);
        figures.set(name, turns);
        turns[index]?.push(await medianMs(() => call(skus)));
      }
    }
  }
  const rows = [...figures].map(([name, turns]) => [
    name,
    ...turns.map((of) => spread(of, 2)),
    spread(ratiosTo(turns), 2),
  ]);
  return [
    'Wanted: with 1,000,000 items at most 1.3 times what it is with 1,000. Milliseconds, one call after the other.',
    table(['call', ...SIZES.map((skus) => skus.toLocaleString('en')), 'largest over smallest'], rows),
  ].join('\n\n');
}

/** The largest size over the smallest, round by round. */
function ratiosTo(turns: readonly (readonly number[])[]): number[] {
  const [smallest = [], largest = []] = [turns[0], turns.at(-1)];
  return largest.map((ms, round) => ms / (smallest[round] ?? 1));
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

function probes(egress: string): Probe[] {
  const to = { egress, policy: policies };
  const { createReservation } = connect(ReservationService, to);
  const { batchGetAvailability } = connect(AvailabilityService, to);
  const { listItems } = connect(ItemService, to);
  const anySku = (skus: number) => `S-${1 + Math.floor(Math.random() * skus)}`;
  const page = (order: ItemOrder) => ({
    name: `ListItems, by ${ItemOrder[order].toLowerCase()}`,
    call: () => listItems({ pageSize: 50, order }),
  });
  return [
    {
      name: 'CreateReservation',
      call: (skus) =>
        createReservation({
          requestId: randomUUID(),
          lines: [{ sku: anySku(skus), quantity: 1n }],
          ttl: { seconds: 3_600n },
        }),
    },
    {
      name: 'BatchGetAvailability of 50',
      call: (skus) => batchGetAvailability({ skus: [...new Set(Array.from({ length: 50 }, () => anySku(skus)))] }),
    },
    page(ItemOrder.UNSPECIFIED),
    page(ItemOrder.NAME),
    page(ItemOrder.CATEGORY),
    page(ItemOrder.NEWEST),
    { name: 'ListItems, the second page', call: secondPage(listItems) },
    { name: 'ListItems, by a word', call: () => listItems({ pageSize: 50, filter: 'item' }) },
  ];
}

function secondPage(
  listItems: (request: { pageSize: number; pageToken: string }) => Promise<{ nextPageToken: string }>,
) {
  let token: string | undefined;
  return async () => {
    token ??= (await listItems({ pageSize: 50, pageToken: '' })).nextPageToken;
    await listItems({ pageSize: 50, pageToken: token });
  };
}
