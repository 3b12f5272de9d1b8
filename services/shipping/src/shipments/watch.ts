/** Streams shipments to those who may see them: first as they are, then as they change. */

import { fromBinary } from '@bufbuild/protobuf';
import {
  type Shipment,
  ShipmentSchema,
  type WatchShipmentsRequest,
} from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import type { Changefeed } from '@weft/runtime/data/changefeed';
import type { Change } from '@weft/runtime/data/changes';
import type { Sql } from '@weft/runtime/data/pool';
import { changed, PART_SIZE, partOf } from '@weft/runtime/data/watching';
import { SHIPMENT_SELECTION, SHIPMENTS_TOPIC, type ShipmentRow, shipmentOf } from './shipment.ts';
import type { Visibility } from './visibility.ts';

/** What a stream is narrowed to. */
type Scope = Visibility & { readonly shipmentId: string | undefined };

/** Before every id. */
const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const ID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/**
 * Makes WatchShipments: lists, then follows, what the caller may see. The resume token is bound to the caller and to what is asked for.
 */
export function shipmentWatch(sql: Sql, changefeed: Changefeed) {
  const view = changefeed.view<Shipment>({
    topic: SHIPMENTS_TOPIC,
    read: async (changes) =>
      changes.map(shipmentOfChange).map((value) => [{ value, keys: [value.shipmentId, ofCustomer(value)] }]),
  });
  return (request: WatchShipmentsRequest, { customerId }: Visibility, signal: AbortSignal) => {
    const shipmentId = request.shipmentId === '' ? undefined : request.shipmentId.toLowerCase();
    const key = shipmentId ?? (customerId === undefined ? undefined : ofCustomer({ customerId }));
    return view.watch({
      ...(key === undefined ? {} : { keys: [key] }),
      scope: JSON.stringify([customerId ?? null, shipmentId ?? null]),
      resumeToken: request.resumeToken,
      signal,
      position: ID,
      list: async (after) =>
        partOf(await listPart(sql, { customerId, shipmentId }, after), changed, (shipment) => shipment.shipmentId),
      tell: (shipment) =>
        customerId === undefined || shipment.customerId === customerId ? changed(shipment) : undefined,
    });
  };
}

function ofCustomer({ customerId }: { readonly customerId: string }): string {
  return `of ${customerId}`;
}

async function listPart(sql: Sql, { customerId, shipmentId }: Scope, after: string): Promise<readonly Shipment[]> {
  const { rows } = await sql.query<ShipmentRow>({
    name: 'shipments_listed',
    text: `
      SELECT ${SHIPMENT_SELECTION} FROM shipments
      WHERE shipment_id > $1 AND ($2::text IS NULL OR customer_id = $2) AND ($3::uuid IS NULL OR shipment_id = $3)
      ORDER BY shipment_id LIMIT $4`,
    values: [after === '' ? FIRST_ID : after, customerId ?? null, shipmentId ?? null, PART_SIZE],
  });
  return rows.map(shipmentOf);
}

function shipmentOfChange({ payload }: Change): Shipment {
  return fromBinary(ShipmentSchema, payload);
}
