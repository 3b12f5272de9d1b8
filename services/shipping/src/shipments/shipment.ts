/**
 * Shipments as rows of the database and as messages of the contract, and how their changes are told.
 */

import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Shipment, ShipmentSchema } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { append } from '@weft/runtime/data/changes';
import type { Sql } from '@weft/runtime/data/pool';
import { OFFER_SELECTION, type OfferRow, offerOf } from '../offer.ts';

/** A row, by Prisma's names. */
export type ShipmentRow = OfferRow & {
  readonly shipmentId: string;
  readonly state: number;
  readonly customerId: string;
  readonly quoteId: string;
  readonly reservationId: string | null;
  readonly failureReason: string;
  readonly failureMessage: string;
  readonly createTime: Date;
  readonly updateTime: Date;
};

/** The columns of a row, for SELECT and RETURNING. */
export const SHIPMENT_SELECTION = `
  shipment_id AS "shipmentId", state, customer_id AS "customerId", quote_id AS "quoteId",
  reservation_id AS "reservationId", failure_reason AS "failureReason", failure_message AS "failureMessage",
  create_time AS "createTime", update_time AS "updateTime", ${OFFER_SELECTION}`;

/** The topic of the log of changes that WatchShipments reads. */
export const SHIPMENTS_TOPIC = 'shipments';

/** The message of a row. */
export function shipmentOf(row: ShipmentRow): Shipment {
  const { lines, destination, rate, packages, total } = offerOf(row);
  return create(ShipmentSchema, {
    shipmentId: row.shipmentId,
    state: row.state,
    customerId: row.customerId,
    quoteId: row.quoteId,
    reservationId: row.reservationId ?? '',
    lines: [...lines],
    destination,
    packages: [...packages],
    rate,
    total,
    failureReason: row.failureReason,
    failureMessage: row.failureMessage,
    createTime: timestampFromDate(row.createTime),
    updateTime: timestampFromDate(row.updateTime),
  });
}

/** Tells the watchers how a shipment is now. */
export async function recordChange(tx: Sql, shipment: Shipment): Promise<void> {
  const payload = toBinary(ShipmentSchema, shipment);
  await append(tx, [{ topic: SHIPMENTS_TOPIC, key: shipment.shipmentId, payload }]);
}
