/**
 * The stream of reservations: all that are active, then every change to any.
 */

import type { Reservation, WatchReservationsRequest } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import type { Changefeed } from '@weft/runtime/data/changefeed';
import { changed, PART_SIZE, partOf } from '@weft/runtime/data/watching';
import { RESERVATIONS } from '../changes.ts';
import type { Database } from '../database.ts';
import { readReservations, selectReservations } from './reservation.ts';

const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const ID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** Makes WatchReservations: what it gives are the messages of a stream. */
export function reservationWatch({ sql }: Database, changefeed: Changefeed) {
  const view = changefeed.view<Reservation>({
    topic: RESERVATIONS,
    async read(changes) {
      const reservations = await readReservations(sql, {
        name: 'reservations_changed',
        text: selectReservations('WHERE r.reservation_id = ANY($1::uuid[])'),
        values: [changes.map(({ key }) => key)],
      });
      const byId = new Map(reservations.map((reservation) => [reservation.reservationId, reservation]));
      return changes.map(({ key }) => {
        const value = byId.get(key);
        return value === undefined ? [] : [{ value, keys: [] }];
      });
    },
  });
  return ({ resumeToken }: WatchReservationsRequest, signal: AbortSignal) =>
    view.watch({
      scope: '',
      resumeToken,
      signal,
      position: ID,
      async list(after) {
        const active = await readReservations(sql, {
          name: 'reservations_active',
          text: selectReservations(
            `WHERE (r.state = 2 OR (r.state = 1 AND r.expire_time > now())) AND r.reservation_id > $1
             ORDER BY r.reservation_id LIMIT $2`,
          ),
          values: [after === '' ? FIRST_ID : after, PART_SIZE],
        });
        return partOf(active, changed, ({ reservationId }) => reservationId);
      },
      tell: changed,
    });
}
