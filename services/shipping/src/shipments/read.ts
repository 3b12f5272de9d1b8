/** Reads shipments for those who may see them. Another's shipment is as if it were not there. */

import {
  type ListShipmentsRequest,
  ListShipmentsRequestSchema,
  type Shipment,
  ShipmentState,
} from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { CURSOR, closePage, openPage } from '@weft/runtime/data/page';
import { fail } from '@weft/runtime/errors/fail';
import type { Database } from '../database.ts';
import { shipmentOf } from './shipment.ts';
import type { Visibility } from './visibility.ts';

/** @throws SHIPMENT_NOT_FOUND */
export async function getShipment(
  prisma: Database['prisma'],
  shipmentId: string,
  { customerId }: Visibility,
): Promise<Shipment> {
  const row = await prisma.shipment.findFirst({
    where: { shipmentId, ...(customerId === undefined ? {} : { customerId }) },
  });
  if (row === null) {
    throw fail('SHIPMENT_NOT_FOUND', undefined, { shipment_id: shipmentId });
  }
  return shipmentOf(row);
}

/** @throws PAGE_TOKEN_INVALID */
export async function listShipments(
  prisma: Database['prisma'],
  request: ListShipmentsRequest,
  { customerId }: Visibility,
): Promise<{ shipments: Shipment[]; nextPageToken: string }> {
  const page = openPage(ListShipmentsRequestSchema, request, [CURSOR.uuid]);
  const [before] = page.after ?? [];
  const rows = await prisma.shipment.findMany({
    where: {
      ...(customerId === undefined ? {} : { customerId }),
      ...(request.state === ShipmentState.UNSPECIFIED ? {} : { state: request.state }),
      ...(before === undefined ? {} : { shipmentId: { lt: before } }),
    },
    // The ids are UUIDs of version 7: newest first.
    orderBy: { shipmentId: 'desc' },
    take: page.size + 1,
  });
  const { entries, nextPageToken } = closePage(ListShipmentsRequestSchema, request, page, rows, ({ shipmentId }) => [
    shipmentId,
  ]);
  return { shipments: entries.map(shipmentOf), nextPageToken };
}
