/**
 * The stream of reservations: all that are active, then every change to any.
 */

import type { Reservation, WatchReservationsRequest } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import type { Changefeed } from '@weft/runtime/data/changefeed';
import { changed, inParts, keysOf, lasting, PART_SIZE } from '@weft/runtime/data/watching';
import { RESERVATIONS } from '../changes.ts';
import type { Database } from '../database.ts';
import { readReservations, selectReservations } from './reservation.ts';

const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/** Messages of WatchReservations. */
export function watchReservations(
  { sql }: Database,
  changefeed: Changefeed,
  { resumeToken }: WatchReservationsRequest,
  signal: AbortSignal,
) {
  return lasting(
    changefeed.watch<Reservation>({
      topic: RESERVATIONS,
      scope: '',
      resumeToken,
      signal,
      list: (tx) =>
        inParts((last) =>
          readReservations(tx, {
            name: 'reservations_active',
            text: selectReservations(
              `WHERE (r.state = 2 OR (r.state = 1 AND r.expire_time > now())) AND r.reservation_id > $1
               ORDER BY r.reservation_id LIMIT $2`,
            ),
            values: [last?.reservationId ?? FIRST_ID, PART_SIZE],
          }),
        ),
      read: async (changes) => {
        const reservations = await readReservations(sql, {
          name: 'reservations_changed',
          text: selectReservations('WHERE r.reservation_id = ANY($1::uuid[])'),
          values: [keysOf(changes)],
        });
        return reservations.map(changed);
      },
    }),
  );
}
