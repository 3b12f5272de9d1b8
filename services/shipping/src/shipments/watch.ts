/** Streams shipments to those who may see them: first as they are, then as they change. */

import { fromBinary } from '@bufbuild/protobuf';
import {
  type Shipment,
  ShipmentSchema,
  type WatchShipmentsRequest,
} from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import type { Changefeed, Watched } from '@weft/runtime/data/changefeed';
import type { Change } from '@weft/runtime/data/changes';
import type { Sql } from '@weft/runtime/data/pool';
import { changed, inParts, PART_SIZE } from '@weft/runtime/data/watching';
import { SHIPMENT_SELECTION, SHIPMENTS_TOPIC, type ShipmentRow, shipmentOf } from './shipment.ts';
import type { Visibility } from './visibility.ts';

/** What a stream is narrowed to. */
type Scope = Visibility & { readonly shipmentId: string | undefined };

/** Before every id. */
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Lists, then follows, what the caller may see. The resume token is bound to the caller and to what is asked for.
 *
 * @throws RESUME_TOKEN_INVALID, WATCH_HISTORY_GONE, STREAM_ENDED
 */
export function watchShipments(
  changefeed: Changefeed,
  request: WatchShipmentsRequest,
  { customerId }: Visibility,
  signal: AbortSignal,
): AsyncIterable<Watched<Shipment>> {
  const shipmentId = request.shipmentId === '' ? undefined : request.shipmentId.toLowerCase();
  return changefeed.watch<Shipment>({
    topic: SHIPMENTS_TOPIC,
    scope: JSON.stringify([customerId ?? null, shipmentId ?? null]),
    resumeToken: request.resumeToken,
    signal,
    list: (tx) => inParts((after: Shipment | undefined) => listPart(tx, { customerId, shipmentId }, after?.shipmentId)),
    read: async (changes) =>
      changes
        .filter(({ key }) => shipmentId === undefined || key === shipmentId)
        .map(shipmentOfChange)
        .filter((shipment) => customerId === undefined || shipment.customerId === customerId)
        .map(changed),
  });
}

async function listPart(
  tx: Sql,
  { customerId, shipmentId }: Scope,
  after: string | undefined,
): Promise<readonly Shipment[]> {
  const { rows } = await tx.query<ShipmentRow>({
    name: 'shipments_listed',
    text: `
      SELECT ${SHIPMENT_SELECTION} FROM shipments
      WHERE shipment_id > $1 AND ($2::text IS NULL OR customer_id = $2) AND ($3::uuid IS NULL OR shipment_id = $3)
      ORDER BY shipment_id LIMIT $4`,
    values: [after ?? FIRST_ID, customerId ?? null, shipmentId ?? null, PART_SIZE],
  });
  return rows.map(shipmentOf);
}

function shipmentOfChange({ payload }: Change): Shipment {
  return fromBinary(ShipmentSchema, payload);
}
