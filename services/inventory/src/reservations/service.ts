/**
 * ReservationService: what its RPCs are made of.
 */

import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  CommitReservationResponseSchema,
  ConfirmReservationResponseSchema,
  ExtendReservationResponseSchema,
  ListReservationsRequestSchema,
  ReleaseReservationResponseSchema,
  type Reservation,
  ReservationService,
  ReservationState,
} from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import type { Changefeed } from '@weft/runtime/data/changefeed';
import { actor, mutate } from '@weft/runtime/data/mutation';
import { AFTER_EVERY_UUID, CURSOR, closePage, fitPage, openPage } from '@weft/runtime/data/page';
import { currentCall } from '@weft/runtime/server/call';
import { principal } from '@weft/runtime/server/caller';
import type { Database } from '../database.ts';
import { wholeMs } from '../duration.ts';
import { commit } from './commit.ts';
import { explainPlan, planDemand, skusOf } from './plan.ts';
import { inState, planMessages, readReservation, readReservations, selectReservations } from './reservation.ts';
import { reserver } from './reserve.ts';
import { readMarketNow } from './supply.ts';
import { confirm, extend, release } from './transitions.ts';
import { reservationWatch } from './watch.ts';

const { method } = ReservationService;

/** Allocations and shortages on a page, at most: as JSON they are up to 350 bytes each. */
const MAX_PAGE_WEIGHT = 10_000;

/** Makes the service on a database. */
export function reservationService(
  database: Database,
  changefeed: Changefeed,
  maxWaiting: number,
): ServiceImpl<typeof ReservationService> {
  const { pool, sql } = database;
  const reserve = reserver(pool, sql, maxWaiting);
  const watchReservations = reservationWatch(database, changefeed);
  return {
    async planSourcing(request) {
      const market = await readMarketNow(sql, skusOf([request]));
      const plan = planDemand(request, market);
      const { allocations, shortages } = planMessages(plan);
      const countries = new Map(market.places.map(({ locationId, countryCode }) => [locationId, countryCode]));
      return {
        allocations: allocations.map((allocation) => ({
          ...allocation,
          originCountryCode: countries.get(allocation.locationId) ?? '',
        })),
        shortages,
        locations: explainPlan(request, market, plan),
      };
    },

    createReservation: (request) => reserve({ request, principal: principal() }, currentCall()?.signal),

    async getReservation({ reservationId }) {
      return { reservation: await readReservation(sql, reservationId) };
    },

    extendReservation: (request) =>
      mutate(pool, method.extendReservation, request, async (tx) =>
        create(ExtendReservationResponseSchema, {
          reservation: await extend(tx, request.reservationId, wholeMs(request.ttl)),
        }),
      ),

    confirmReservation: (request) =>
      mutate(pool, method.confirmReservation, request, async (tx) =>
        create(ConfirmReservationResponseSchema, { reservation: await confirm(tx, request.reservationId) }),
      ),

    releaseReservation: (request) =>
      mutate(pool, method.releaseReservation, request, async (tx) =>
        create(ReleaseReservationResponseSchema, { reservation: await release(tx, request.reservationId) }),
      ),

    commitReservation: (request) =>
      mutate(pool, method.commitReservation, request, async (tx) =>
        create(CommitReservationResponseSchema, { reservation: await commit(tx, request, actor()) }),
      ),

    async listReservations(request) {
      const asked = openPage(ListReservationsRequestSchema, request, [CURSOR.uuid]);
      const read = await readReservations(sql, listStatement(request.state, asked.after?.[0], asked.size + 1));
      const page = fitPage(asked, read, weightOf, MAX_PAGE_WEIGHT);
      const { entries, nextPageToken } = closePage(ListReservationsRequestSchema, request, page, read, (last) => [
        last.reservationId,
      ]);
      return { reservations: [...entries], nextPageToken };
    },

    watchReservations: (request, { signal }) => watchReservations(request, signal),
  };
}

function weightOf({ allocations, shortages }: Reservation): number {
  return allocations.length + shortages.length;
}

/** Newest first: ids grow with time. */
function listStatement(state: ReservationState, before: string | undefined, limit: number) {
  const conditions = ['r.reservation_id < $1'];
  const values: unknown[] = [before ?? AFTER_EVERY_UUID, limit];
  if (state !== ReservationState.UNSPECIFIED) {
    conditions.push(inState(state, `$${values.push(state)}::smallint`));
  }
  const text = selectReservations(`WHERE ${conditions.join(' AND ')} ORDER BY r.reservation_id DESC LIMIT $2`);
  return { text, values };
}
