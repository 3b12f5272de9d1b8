/** What must hold in the end, whatever happened. */

import { ReservationState } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { QuoteState } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { ShipmentState } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { expect } from 'vitest';
import { waitFor } from '../../../dev/src/wait.ts';
import type { Shop } from './shop.ts';

/** Waits until no saga is open, and then sees that the three databases agree on every order. */
export async function expectConsistent(shop: Shop, withinMs = 15_000): Promise<void> {
  await waitFor(
    'the end of all sagas',
    async () => {
      const { rows } = await shop.pools.shipping.query('SELECT 1 FROM sagas WHERE done_time IS NULL');
      return rows.length === 0;
    },
    { withinMs },
  );
  const { rows: shipments } = await shop.pools.shipping.query(
    'SELECT shipment_id, state, quote_id, reservation_id FROM shipments',
  );
  const { rows: reservations } = await shop.pools.inventory.query(
    'SELECT reservation_id, reference, state FROM reservations',
  );
  const { rows: quotes } = await shop.pools.pricing.query('SELECT quote_id, state, reference FROM quotes');

  for (const shipment of shipments) {
    const mine = reservations.filter(({ reference }) => reference === shipment.shipment_id);
    const active = mine.filter(({ state }) => state === ReservationState.HELD || state === ReservationState.CONFIRMED);
    const accepted = quotes.filter(
      ({ state, reference }) => state === QuoteState.ACCEPTED && reference === shipment.shipment_id,
    );
    if (shipment.state === ShipmentState.CONFIRMED) {
      expect(active, 'one reservation, confirmed').toMatchObject([
        { reservation_id: shipment.reservation_id, state: ReservationState.CONFIRMED },
      ]);
      expect(accepted, 'one quote, accepted').toMatchObject([{ quote_id: shipment.quote_id }]);
    } else {
      expect([ShipmentState.FAILED, ShipmentState.CANCELLED]).toContain(shipment.state);
      expect(active, 'no stranded reservation').toEqual([]);
      expect(accepted, 'no quote bound for nothing').toEqual([]);
    }
  }
  const known = new Set(shipments.map(({ shipment_id }) => shipment_id));
  expect(reservations.filter(({ reference }) => !known.has(reference))).toEqual([]);

  const { rows: drift } = await shop.pools.inventory.query(`
    SELECT s.sku, s.location_id, s.reserved, coalesce(sum(a.quantity), 0) AS held
    FROM stock s LEFT JOIN (allocations a JOIN reservations r ON r.reservation_id = a.reservation_id AND r.state IN (1, 2))
      ON a.sku = s.sku AND a.location_id = s.location_id
    GROUP BY s.sku, s.location_id HAVING s.reserved <> coalesce(sum(a.quantity), 0)`);
  expect(drift, 'reserved = sum of active reservations').toEqual([]);
}
