/**
 * Creates, changes and deletes locations. Each is part of a transaction that `tx` names.
 */

import { create } from '@bufbuild/protobuf';
import { type Location, LocationSchema } from '@weft/gen/weft/inventory/v1/location_pb.js';
import {
  CreateLocationRequestSchema,
  type DeleteLocationRequest,
  GetLocationRequestSchema,
  type UpdateLocationRequest,
} from '@weft/gen/weft/inventory/v1/location_service_pb.js';
import { append } from '@weft/runtime/data/changes';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { check } from '@weft/runtime/server/validate';
import { applyMask } from '@weft/runtime/update-mask';
import { locationChange } from '../changes.ts';
import type { Database } from '../database.ts';
import { isUniqueViolation } from '../errors.ts';
import {
  checkTimeZone,
  LOCATION_COLUMNS,
  LOCATION_MASK,
  type LocationRow,
  locationData,
  locationMessage,
  locationNotFound,
} from './location.ts';

/** @throws TIME_ZONE_UNKNOWN, LOCATION_ALREADY_EXISTS */
export async function createLocation(database: Database, tx: Sql, location: Location): Promise<Location> {
  checkTimeZone(location);
  const { locationId } = location;
  try {
    const data = locationData(location);
    const row = await database.within(tx, () => database.prisma.location.create({ data }));
    await append(tx, [locationChange(locationId)]);
    return locationMessage(row);
  } catch (error) {
    throw isUniqueViolation(error)
      ? fail('LOCATION_ALREADY_EXISTS', `the location id ${locationId} is taken`, { location_id: locationId })
      : error;
  }
}

/** @throws LOCATION_NOT_FOUND, ETAG_MISMATCH, UPDATE_MASK_INVALID, INVALID_FIELD, TIME_ZONE_UNKNOWN */
export async function updateLocation(database: Database, tx: Sql, request: UpdateLocationRequest): Promise<Location> {
  const patch = request.location ?? create(LocationSchema);
  const { locationId } = patch;
  check(GetLocationRequestSchema, create(GetLocationRequestSchema, { locationId }));
  const current = await lockLocation(tx, locationId, 'NO KEY UPDATE', patch.etag);
  const location = applyMask(LocationSchema, LOCATION_MASK, locationMessage(current), patch, request.updateMask);
  // The rules are those of a location that is sent whole, and so are the names of fields in the error.
  const whole = create(CreateLocationRequestSchema, { requestId: request.requestId, location });
  check(CreateLocationRequestSchema, whole);
  checkTimeZone(location);
  const data = locationData(location);
  const row = await database.within(tx, () => database.prisma.location.update({ where: { locationId }, data }));
  await append(tx, [locationChange(locationId)]);
  return locationMessage(row);
}

/**
 * Deletes a location that holds nothing, with its empty stock rows; its ledger stays. The location's lock keeps new stock rows
 * away. Nothing can be reserved where nothing is on hand, so that need not be asked.
 *
 * @throws LOCATION_NOT_FOUND, ETAG_MISMATCH, LOCATION_HOLDS_STOCK
 */
export async function deleteLocation(
  database: Database,
  tx: Sql,
  { locationId, etag }: DeleteLocationRequest,
): Promise<void> {
  await lockLocation(tx, locationId, 'UPDATE', etag);
  const { rows } = await tx.query<{ on_hand: bigint }>({
    text: 'SELECT on_hand FROM stock WHERE location_id = $1 ORDER BY sku FOR UPDATE',
    values: [locationId],
  });
  const onHand = rows.reduce((sum, row) => sum + row.on_hand, 0n);
  if (onHand > 0n) {
    const metadata = { location_id: locationId, on_hand: `${onHand}` };
    throw fail('LOCATION_HOLDS_STOCK', `${onHand} units are on hand at ${locationId}`, metadata);
  }
  await database.within(tx, async () => {
    await database.prisma.stock.deleteMany({ where: { locationId } });
    await database.prisma.location.delete({ where: { locationId } });
  });
  await append(tx, [locationChange(locationId)]);
}

async function lockLocation(
  tx: Sql,
  locationId: string,
  strength: 'UPDATE' | 'NO KEY UPDATE',
  etag: string,
): Promise<LocationRow> {
  const { rows } = await tx.query<LocationRow>({
    text: `SELECT ${LOCATION_COLUMNS} FROM locations WHERE location_id = $1 FOR ${strength}`,
    values: [locationId],
  });
  const [current] = rows;
  if (current === undefined) {
    throw locationNotFound(locationId);
  }
  if (etag !== '' && etag !== current.etag) {
    const text = `the location ${locationId} changed since its etag was read`;
    throw fail('ETAG_MISMATCH', text, { etag: current.etag });
  }
  return current;
}
