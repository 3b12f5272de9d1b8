/**
 * CreateReservation for many callers at once. Calls that arrive while the database is busy go to it together; nearly all of them
 * in one statement, planned ahead on what this process saw of the market a moment ago. The rest, and those whose plan turned out not to
 * hold, go through a transaction that plans under lock.
 */

import type {
  CreateReservationRequest,
  CreateReservationResponse,
} from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { coalesce } from '@weft/runtime/data/coalesce';
import { isRepeatable, type Sql, transaction } from '@weft/runtime/data/pool';
import { detached } from '@weft/runtime/server/call';
import type { Pool } from 'pg';
import { type KeyedCall, keyedCall, type Outcome, type ReservationCall } from './call.ts';
import { reserveLocked } from './locked.ts';
import { MarketCache } from './market-cache.ts';
import { planDemand, type StockPlan, skusOf, takeOff } from './plan.ts';
import { type PlannedCall, reservePlanned } from './planned.ts';
import type { Market } from './supply.ts';

/** Calls that go to the database together, at most. */
const MAX_BATCH = 512;
/**
 * Batches at work at once. A second one would mostly wait for the first one's locks, and take with it the callers who could have come along; measured, one
 * is faster on a hot item and no slower on ten thousand.
 */
const MAX_IN_FLIGHT = 1;

/** Makes the function that answers a call with the next batch; when `maxWaiting` wait already, a call is OVERLOADED. */
export function reserver(pool: Pool, sql: Sql, maxWaiting: number) {
  const cache = new MarketCache(sql);
  return coalesce<ReservationCall, CreateReservationResponse>({
    // The transaction is everybody's, so no single caller's deadline or departure may end it.
    run: (calls) => detached(() => reserveBatch(pool, cache, calls)),
    maxBatch: MAX_BATCH,
    maxInFlight: MAX_IN_FLIGHT,
    maxQueue: maxWaiting,
  });
}

async function reserveBatch(pool: Pool, cache: MarketCache, calls: readonly ReservationCall[]): Promise<Outcome[]> {
  const keyed = calls.map(keyedCall);
  const outcomes = new Map<string, Outcome>();
  // Equal requests in one batch are one, whose outcome all get. Of different ones with equal keys each has its turn: what was stored
  // before decides which of them repeats it.
  let waiting: readonly KeyedCall[] = keyed;
  while (waiting.length > 0) {
    const turn = new Map<string, KeyedCall>();
    for (const call of waiting) {
      if (!turn.has(call.key)) {
        turn.set(call.key, call);
      }
    }
    const settled = await reserveEach(pool, cache, [...turn.values()]);
    for (const call of turn.values()) {
      outcomes.set(requestName(call), settled.get(call.key) ?? new Error('a call was left without an outcome'));
    }
    waiting = waiting.filter((call) => !outcomes.has(requestName(call)));
  }
  return keyed.map((call) => outcomes.get(requestName(call)) ?? new Error('a call was left without an outcome'));
}

/** Names a request: its key with what it asks for. */
function requestName({ key, hash }: KeyedCall): string {
  return `${hash.toString('base64')} ${key}`;
}

/** An outcome for each call, by key; the keys differ. */
async function reserveEach(
  pool: Pool,
  cache: MarketCache,
  calls: readonly KeyedCall[],
): Promise<ReadonlyMap<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  const planned = planAhead(await cache.market(skusOf(calls.map(({ request }) => request))), calls);
  const booked = await bookPlanned(pool, planned);
  for (const [index, call] of planned.entries()) {
    const outcome = booked[index];
    if (outcome !== undefined) {
      outcomes.set(call.key, outcome);
    }
  }
  const others = calls.filter(({ key }) => !outcomes.has(key));
  for (const [index, answer] of (await reserveOthers(pool, others)).entries()) {
    const call = others[index];
    if (call !== undefined) {
      outcomes.set(call.key, answer);
      // It could be served and no plan saw how, or none saw that it could not: there is more or less than was seen.
      if (!(answer instanceof Error) || planned.some(({ key }) => key === call.key)) {
        cache.forget(skusOf([call.request]));
      }
    }
  }
  return outcomes;
}

/** Outcomes of planned calls, in order; undefined for those that are to be planned anew. */
async function bookPlanned(pool: Pool, planned: readonly PlannedCall[]): Promise<readonly (Outcome | undefined)[]> {
  try {
    return planned.length === 0 ? [] : await reservePlanned(pool, planned);
  } catch (error) {
    // The victim of a deadlock did nothing; a transaction is run again until it is none.
    if (isRepeatable(error)) {
      return planned.map(() => undefined);
    }
    throw error;
  }
}

/** Outcomes of calls that are planned under lock, in order. What befalls them must not befall those that are booked already. */
async function reserveOthers(pool: Pool, calls: readonly KeyedCall[]): Promise<readonly Outcome[]> {
  try {
    return calls.length === 0 ? [] : await transaction(pool, (tx) => reserveLocked(tx, calls));
  } catch (error) {
    const outcome = error instanceof Error ? error : new Error(String(error));
    return calls.map(() => outcome);
  }
}

/** The calls that can be planned on the market as it was seen, each on what those before it left. */
function planAhead(market: Market, calls: readonly KeyedCall[]): PlannedCall[] {
  return calls.flatMap((call) => {
    const plan = planPlain(market, call.request);
    if (plan === undefined) {
      return [];
    }
    takeOff(market, plan);
    return [{ ...call, plan }];
  });
}

/** A plan that lacks nothing, of plain items; undefined when there is none to be seen. */
function planPlain(market: Market, request: CreateReservationRequest): StockPlan | undefined {
  const isPlain = request.lines.every(({ sku, locationId }) => {
    const isKnown =
      locationId === '' || market.places.some((place) => place.locationId === locationId && !place.deactivated);
    return market.facts.has(sku) && isKnown;
  });
  const plan = isPlain ? planDemand(request, market) : undefined;
  return plan?.shortages.length === 0 ? plan : undefined;
}
