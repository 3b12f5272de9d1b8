/**
 * LocationService: what its RPCs are made of.
 */

import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { LocationSchema } from '@weft/gen/weft/inventory/v1/location_pb.js';
import {
  CreateLocationResponseSchema,
  DeleteLocationResponseSchema,
  ListLocationsRequestSchema,
  LocationService,
  UpdateLocationResponseSchema,
} from '@weft/gen/weft/inventory/v1/location_service_pb.js';
import { mutate } from '@weft/runtime/data/mutation';
import { CURSOR, closePage, openPage } from '@weft/runtime/data/page';
import type { Database } from '../database.ts';
import { sweepLocation } from '../reservations/sweep.ts';
import { LOCATION_ID_CURSOR, locationMessage, locationNotFound } from './location.ts';
import { createLocation, deleteLocation, updateLocation } from './write.ts';

const { method } = LocationService;

/** Makes the service on a database. */
export function locationService(database: Database): ServiceImpl<typeof LocationService> {
  const { pool, prisma } = database;
  return {
    async getLocation({ locationId }) {
      const row = await prisma.location.findFirst({ where: { locationId } });
      if (row === null) {
        throw locationNotFound(locationId);
      }
      return { location: locationMessage(row) };
    },

    async listLocations(request) {
      const page = openPage(ListLocationsRequestSchema, request, [CURSOR.integer, LOCATION_ID_CURSOR]);
      const [priority, locationId] = page.after ?? [];
      const rows = await prisma.location.findMany({
        ...(priority === undefined || locationId === undefined
          ? {}
          : {
              where: {
                OR: [
                  { pickPriority: { gt: Number(priority) } },
                  { pickPriority: Number(priority), locationId: { gt: locationId } },
                ],
              },
            }),
        orderBy: [{ pickPriority: 'asc' }, { locationId: 'asc' }],
        take: page.size + 1,
      });
      const { entries, nextPageToken } = closePage(ListLocationsRequestSchema, request, page, rows, (row) => [
        `${row.pickPriority}`,
        row.locationId,
      ]);
      return { locations: entries.map(locationMessage), nextPageToken };
    },

    createLocation: (request) =>
      mutate(pool, method.createLocation, request, async (tx) =>
        create(CreateLocationResponseSchema, {
          location: await createLocation(database, tx, request.location ?? create(LocationSchema)),
        }),
      ),

    updateLocation: (request) =>
      mutate(pool, method.updateLocation, request, async (tx) =>
        create(UpdateLocationResponseSchema, { location: await updateLocation(database, tx, request) }),
      ),

    async deleteLocation(request) {
      // Before the transaction that deletes: it locks the stock of a location alone, and holds span others.
      await sweepLocation(pool, request.locationId);
      return await mutate(pool, method.deleteLocation, request, async (tx) => {
        await deleteLocation(database, tx, request);
        return create(DeleteLocationResponseSchema);
      });
    },
  };
}
