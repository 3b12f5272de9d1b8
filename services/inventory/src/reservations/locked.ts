/**
 * Sets stock aside for many callers in one transaction, which claims their idempotency keys, locks the stock rows of all of them in
 * one order, answers one caller after the other from what is left, and books what was given. It knows of everything: kits, lots, backorders,
 * partial reservations, holds that ran out and are to be tidied first. What needs none of that is mostly booked without it (planned.ts).
 */

import { ConnectError } from '@connectrpc/connect';
import { ReservationPolicy } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail, reasonOf } from '@weft/runtime/errors/fail';
import { lockStock } from '../stock/lock.ts';
import { ensureStock, freezeLocations } from '../stock/references.ts';
import { book, type NewReservation } from './book.ts';
import { type KeyedCall, type Outcome, repeated } from './call.ts';
import { heldAnswer, withInstants } from './held.ts';
import { claim, readKnown, store } from './keys.ts';
import { planDemand, promisePlaces, type StockPlan, skusOf, takeOff } from './plan.ts';
import type { Shortage } from './sourcing.ts';
import {
  type Catalogue,
  type Market,
  marketOf,
  type Places,
  readCatalogue,
  stockedSkus,
  withLotsOf,
} from './supply.ts';

/** Most shortages that an error's text names; the metadata has the first. */
const SHORTAGES_NAMED = 3;

/**
 * Answers each call, in order; their keys differ. Calls that came before get their first answer. One that gets an error leaves no
 * trace in the transaction.
 *
 * @throws whatever the database throws, for the whole batch: then nothing was set aside for anyone.
 */
export async function reserveLocked(tx: Sql, calls: readonly KeyedCall[]): Promise<Outcome[]> {
  const { claimed, now } = await claim(tx, calls);
  const fresh = calls.filter(({ key }) => claimed.has(key));
  const known = await readKnown(
    tx,
    calls.filter(({ key }) => !claimed.has(key)),
  );
  const plans = await planAll(tx, fresh);
  const reservations = new Map<string, NewReservation>();
  const made = fresh.flatMap((call) => {
    const plan = plans.get(call.key);
    return plan === undefined || plan instanceof ConnectError ? [] : [{ call, plan }];
  });
  const ids = await reservationIds(tx, made.length);
  for (const [index, { call, plan }] of made.entries()) {
    reservations.set(call.key, { call, plan, reservationId: ids[index] ?? '' });
  }
  await book(tx, [...reservations.values()]);
  const outcomes = calls.map((call): Outcome => {
    const made = reservations.get(call.key);
    if (made !== undefined) {
      return heldAnswer(made.reservationId, call.request, made.plan);
    }
    const plan = plans.get(call.key);
    return plan instanceof ConnectError ? plan : repeated(call, known.get(call.key));
  });
  await store(
    tx,
    calls.flatMap((call, index) => (claimed.has(call.key) ? [{ call, outcome: outcomes[index] }] : [])),
  );
  return outcomes.map((outcome, index) => {
    const call = calls[index];
    return outcome instanceof Error || call === undefined || !reservations.has(call.key)
      ? outcome
      : withInstants(outcome, call.request, now);
  });
}

/** Ids that grow in their order, by the database's clock: who is promised what goes by them. */
async function reservationIds(tx: Sql, count: number): Promise<readonly string[]> {
  if (count === 0) {
    return [];
  }
  const { rows } = await tx.query<{ id: string }>({
    name: 'reservation_ids',
    text: 'SELECT uuidv7() AS id FROM generate_series(1, $1::integer)',
    values: [count],
  });
  return rows.map(({ id }) => id);
}

/** A plan for each call, by its key, or the error that says why not: each on what those before it left. */
async function planAll(tx: Sql, calls: readonly KeyedCall[]): Promise<ReadonlyMap<string, StockPlan | ConnectError>> {
  if (calls.length === 0) {
    return new Map();
  }
  const skus = skusOf(calls.map(({ request }) => request));
  // What kits consist of says which rows to lock. It is read again under the locks, with what is sold; a kit that was changed in
  // between is sold as it was.
  const before = await readCatalogue(tx, skus);
  const stocked = stockedSkus(before, skus);
  const promised = new Set(stocked.filter((sku) => (before.facts.get(sku)?.backorderLimit ?? 0n) > 0n));
  const frozenPlaces = promised.size === 0 ? undefined : await openPromises(tx, calls, before, promised);
  const levels = await lockStock(tx, stocked);
  const { facts, places } = await readCatalogue(tx, [...new Set([...skus, ...stocked])]);
  const catalogue = {
    places: frozenPlaces ?? places,
    facts: new Map(
      [...facts].map(([sku, fact]) => [
        sku,
        {
          ...fact,
          components: before.facts.get(sku)?.components ?? [],
          // What became a backorder item a moment ago is not locked as one.
          backorderLimit: promised.has(sku) ? fact.backorderLimit : 0n,
        },
      ]),
    ),
  };
  const sold = levels.filter(({ sku }) => facts.has(sku));
  const market = marketOf(catalogue, await withLotsOf(catalogue, tx, sold));
  return new Map(calls.map((call) => [call.key, planOne(call, market)]));
}

/**
 * Takes the items in hand that may be promised beyond their stock. Their limit is over all locations, also over those whose rows are yet to be
 * made, so it is the items' own lock that keeps it; and the rows where they may be promised are made before any stock row is locked, as
 * stock/lock.ts orders it. Where that is must not change afterwards.
 *
 * @returns the locations, as they stay until the transaction ends.
 */
async function openPromises(
  tx: Sql,
  calls: readonly KeyedCall[],
  catalogue: Catalogue,
  promised: ReadonlySet<string>,
): Promise<Places> {
  await tx.query({
    name: 'items_promise',
    text: 'SELECT FROM items WHERE sku = ANY($1::text[]) ORDER BY sku FOR NO KEY UPDATE',
    values: [[...promised]],
  });
  const frozen = await freezeLocations(tx);
  const places = (await readCatalogue(tx, [])).places.filter(({ locationId }) => frozen.has(locationId));
  const keys = calls.flatMap(({ request }) => {
    const asked = stockedSkus(catalogue, skusOf([request])).filter((sku) => promised.has(sku));
    return asked.flatMap((sku) => promisePlaces(request, { places }).map((locationId) => ({ sku, locationId })));
  });
  await ensureStock(tx, keys);
  return places;
}

function planOne({ request }: KeyedCall, market: Market): StockPlan | ConnectError {
  try {
    const plan = planDemand(request, market);
    checkPlan(plan, request.policy);
    takeOff(market, plan);
    return plan;
  } catch (error) {
    if (error instanceof ConnectError && reasonOf(error) !== undefined) {
      return error;
    }
    throw error;
  }
}

/** @throws INSUFFICIENT_STOCK */
function checkPlan({ allocations, shortages }: StockPlan, policy: ReservationPolicy): void {
  const [first] = shortages;
  if (first === undefined || (policy === ReservationPolicy.PARTIAL && allocations.length > 0)) {
    return;
  }
  const named = shortages.slice(0, SHORTAGES_NAMED).map(describe).join('; ');
  const more = shortages.length > SHORTAGES_NAMED ? `; and ${shortages.length - SHORTAGES_NAMED} more` : '';
  throw fail('INSUFFICIENT_STOCK', `${named}${more}`, {
    sku: first.sku,
    requested: `${first.requested}`,
    available: `${first.available}`,
  });
}

function describe({ sku, requested, available }: Shortage): string {
  return `${sku}: ${requested} asked for, ${available} available`;
}
