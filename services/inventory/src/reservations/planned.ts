/**
 * Books reservations that were planned ahead, for a batch of callers in one statement: `reserve_planned` of the migrations. It takes
 * what the plans say if it still is there, and refuses them otherwise.
 */

import { randomUUIDv7 } from 'node:crypto';
import { wake } from '@weft/runtime/data/changes';
import { query } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';
import { wholeMs } from '../duration.ts';
import { levelKey } from '../stock/level.ts';
import { type KeyedCall, type KnownKey, type Outcome, RPC, repeated } from './call.ts';
import { heldAnswer, keptBytes, withInstants } from './held.ts';
import type { PlannedAllocation, StockPlan } from './plan.ts';
import { compareText } from './units.ts';

/** A call with the plan that was made for it: without shortages, lots or backorders. */
export type PlannedCall = KeyedCall & { readonly plan: StockPlan };

type Row = {
  readonly create_time: Date;
  readonly refused: number[] | null;
  readonly known: number[] | null;
  readonly known_hash: (Buffer | null)[] | null;
  readonly known_response: (Buffer | null)[] | null;
  readonly known_time: (Date | null)[] | null;
};

/**
 * Books what is planned. Keys of the calls differ.
 *
 * @returns an outcome for each call, in order; undefined for those whose plan does not hold any more, of whom nothing remains.
 */
export async function reservePlanned(pool: Pool, calls: readonly PlannedCall[]): Promise<(Outcome | undefined)[]> {
  const answers = calls.map(({ request, plan }) => heldAnswer(randomUUIDv7(), request, plan));
  const { skus, locationIds, numbers } = levelsOf(calls);
  const allocationCalls: number[] = [];
  const allocationLevels: number[] = [];
  const allocations: PlannedAllocation[] = [];
  for (const [index, { plan }] of calls.entries()) {
    for (const allocation of plan.allocations) {
      allocationCalls.push(index + 1);
      allocationLevels.push(numbers.get(levelKey(allocation)) ?? 0);
      allocations.push(allocation);
    }
  }
  const [row] = await query<Row>(pool, {
    name: 'reserve_planned',
    text: 'SELECT * FROM reserve_planned($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)',
    values: [
      RPC,
      calls.map(({ principal }) => principal),
      calls.map(({ request }) => request.requestId),
      calls.map(({ hash }) => hash),
      answers.map(keptBytes),
      answers.map(({ reservation }) => reservation?.reservationId),
      calls.map(({ request }) => wholeMs(request.ttl)),
      calls.map(({ request }) => request.reference),
      calls.map(({ request }) => request.destinationCountryCode),
      skus,
      locationIds,
      allocationCalls,
      allocationLevels,
      allocations.map(({ sku }) => sku),
      allocations.map(({ locationId }) => locationId),
      allocations.map(({ quantity }) => quantity),
    ],
  });
  if (row === undefined) {
    throw new Error('reserve_planned gave no row');
  }
  wake(pool);
  const refused = new Set(row.refused);
  const known = new Map((row.known ?? []).map((number, index) => [number, knownKey(row, index)]));
  return calls.map((call, index) => {
    const number = index + 1;
    const answer = answers[index];
    if (refused.has(number) || answer === undefined) {
      return undefined;
    }
    return known.has(number) ? repeated(call, known.get(number)) : withInstants(answer, call.request, row.create_time);
  });
}

/** A key that was in the way; undefined when it is forgotten by now. */
function knownKey(row: Row, index: number): KnownKey | undefined {
  const [hash, response, createTime] = [row.known_hash?.[index], row.known_response?.[index], row.known_time?.[index]];
  return hash && response && createTime ? { hash, response, createTime } : undefined;
}

/** The stock rows that the plans take from, each once, in the order of their locks, and their numbers from 1. */
function levelsOf(calls: readonly PlannedCall[]) {
  const levels = new Map<string, { readonly sku: string; readonly locationId: string }>();
  for (const { plan } of calls) {
    for (const allocation of plan.allocations) {
      levels.set(levelKey(allocation), allocation);
    }
  }
  const sorted = [...levels].sort(
    ([, a], [, b]) => compareText(a.sku, b.sku) || compareText(a.locationId, b.locationId),
  );
  return {
    skus: sorted.map(([, { sku }]) => sku),
    locationIds: sorted.map(([, { locationId }]) => locationId),
    numbers: new Map(sorted.map(([key], index) => [key, index + 1])),
  };
}
