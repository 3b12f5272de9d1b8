/**
 * weft.shipping.v1.ShipmentService: orders on their way.
 */

import type { ServiceImpl } from '@connectrpc/connect';
import type { ShipmentService } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import type { Changefeed } from '@weft/runtime/data/changefeed';
import { currentCall } from '@weft/runtime/server/call';
import type { Database } from '../database.ts';
import { cancelShipment } from './cancel.ts';
import { placeShipment } from './place.ts';
import { getShipment, listShipments } from './read.ts';
import type { SagaRunner } from './saga/runner.ts';
import { visibility } from './visibility.ts';
import { shipmentWatch } from './watch.ts';

/** What the service leans on. */
export type ShipmentServiceParts = {
  readonly database: Database;
  readonly changefeed: Changefeed;
  readonly runner: SagaRunner;
};

/** Makes the service. */
export function shipmentService(parts: ShipmentServiceParts): ServiceImpl<typeof ShipmentService> {
  const { database, changefeed, runner } = parts;
  const { pool, prisma } = database;
  const watchShipments = shipmentWatch(database.sql, changefeed);
  return {
    placeShipment: (request) => placeShipment({ pool, runner }, request),
    cancelShipment: (request) => cancelShipment({ pool, runner }, request),
    getShipment: async ({ shipmentId }) => ({ shipment: await getShipment(prisma, shipmentId, visibility()) }),
    listShipments: (request) => listShipments(prisma, request, visibility()),
    watchShipments: (request, { signal }) => watchShipments(request, visibility(), currentCall()?.signal ?? signal),
  };
}
