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
    const data = { locationId, ...locationData(location) };
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
 * Deletes a location that holds nothing, with its empty stock rows; its ledger stays. The location's lock keeps new stock rows, transfers
 * and counts away.
 *
 * @throws LOCATION_NOT_FOUND, ETAG_MISMATCH, LOCATION_HOLDS_STOCK
 */
export async function deleteLocation(
  database: Database,
  tx: Sql,
  { locationId, etag }: DeleteLocationRequest,
): Promise<void> {
  await lockLocation(tx, locationId, 'UPDATE', etag);
  const held = await heldAt(tx, locationId);
  if (held.length > 0) {
    const text = held.map(([what, amount]) => `${amount} ${what.replace('_', ' ')}`).join(', ');
    const metadata = { location_id: locationId, ...Object.fromEntries(held) };
    throw fail('LOCATION_HOLDS_STOCK', `${locationId} still has: ${text}`, metadata);
  }
  await database.within(tx, async () => {
    await database.prisma.stock.deleteMany({ where: { locationId } });
    await database.prisma.location.delete({ where: { locationId } });
  });
  await append(tx, [locationChange(locationId)]);
}

/** What keeps a location: units by state, transfers and counts that are open. Only what there is, by the names that clients see. */
async function heldAt(tx: Sql, locationId: string): Promise<[what: string, amount: string][]> {
  const stock = await tx.query<Record<'on_hand' | 'reserved' | 'incoming' | 'backordered', bigint>>({
    text: `
      SELECT on_hand, reserved, incoming, backordered FROM stock
      WHERE location_id = $1 ORDER BY sku FOR UPDATE`,
    values: [locationId],
  });
  const open = await tx.query<{ transfers: bigint; counts: bigint }>({
    text: `
      SELECT
        (SELECT count(*) FROM transfers
          WHERE (source_location_id = $1 OR destination_location_id = $1) AND state BETWEEN 1 AND 3) AS transfers,
        (SELECT count(*) FROM counts WHERE location_id = $1 AND state BETWEEN 1 AND 2) AS counts`,
    values: [locationId],
  });
  const sums = { on_hand: 0n, reserved: 0n, incoming: 0n, backordered: 0n };
  for (const row of stock.rows) {
    sums.on_hand += row.on_hand;
    sums.reserved += row.reserved;
    sums.incoming += row.incoming;
    sums.backordered += row.backordered;
  }
  const { transfers = 0n, counts = 0n } = open.rows[0] ?? {};
  const all = { ...sums, open_transfers: transfers, open_counts: counts };
  return Object.entries(all).flatMap(([what, amount]) => (amount > 0n ? [[what, `${amount}`]] : []));
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
