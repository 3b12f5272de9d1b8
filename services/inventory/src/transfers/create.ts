/**
 * Drafts a transfer: what it names must be there, and nothing of it is set aside yet.
 */

import type { CreateTransferRequest, Transfer } from '@weft/gen/weft/inventory/v1/transfer_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { itemNotFound, kitHasNoStock } from '../items/item.ts';
import { locationNotFound } from '../locations/location.ts';
import { checkLotNamed, lotKey } from '../stock/lots.ts';
import { holdItems, holdLocations } from '../stock/references.ts';
import { readTransfer } from './transfer.ts';

/**
 * @throws TRANSFER_LINES_INVALID, ITEM_NOT_FOUND, LOCATION_NOT_FOUND, LOCATION_DEACTIVATED, KIT_HAS_NO_STOCK, LOT_REQUIRED, LOT_UNEXPECTED,
 *   LOT_NOT_FOUND
 */
export async function draft(tx: Sql, request: CreateTransferRequest): Promise<Transfer> {
  checkShape(request);
  const { lines } = request;
  const items = await holdItems(tx, [...new Set(lines.map(({ sku }) => sku))]);
  for (const { sku } of lines) {
    const item = items.get(sku);
    if (item === undefined) {
      throw itemNotFound(sku);
    }
    if (item.isKit) {
      throw kitHasNoStock(sku);
    }
  }
  await checkLocations(tx, request);
  for (const line of lines) {
    const item = items.get(line.sku);
    if (item !== undefined) {
      checkLotNamed(item, line);
    }
  }
  await checkLotsKnown(tx, request);
  const { rows } = await tx.query<{ transfer_id: string }>({
    name: 'transfer_draft',
    text: `
      WITH drafted AS (
        INSERT INTO transfers (state, source_location_id, destination_location_id, reference) VALUES (1, $1, $2, $3)
        RETURNING transfer_id
      ), lines AS (
        INSERT INTO transfer_lines (transfer_id, sku, lot_id, quantity)
        SELECT transfer_id, l.sku, l.lot_id, l.quantity
        FROM drafted, unnest($4::text[], $5::text[], $6::bigint[]) AS l(sku, lot_id, quantity)
      )
      SELECT transfer_id FROM drafted`,
    values: [
      request.sourceLocationId,
      request.destinationLocationId,
      request.reference,
      lines.map(({ sku }) => sku),
      lines.map(({ lotId }) => lotId),
      lines.map(({ quantity }) => quantity),
    ],
  });
  return readTransfer(tx, rows[0]?.transfer_id ?? '');
}

function checkShape({ sourceLocationId, destinationLocationId, lines }: CreateTransferRequest): void {
  if (sourceLocationId === destinationLocationId) {
    const metadata = { location_id: sourceLocationId };
    throw fail('TRANSFER_LINES_INVALID', `the transfer goes from ${sourceLocationId} to itself`, metadata);
  }
  const seen = new Set<string>();
  for (const line of lines) {
    const key = lotKey(line);
    if (seen.has(key)) {
      const { sku, lotId } = line;
      const of = lotId === '' ? sku : `the lot ${lotId} of ${sku}`;
      throw fail('TRANSFER_LINES_INVALID', `two lines are about ${of}`, { sku, lot_id: lotId });
    }
    seen.add(key);
  }
}

async function checkLocations(tx: Sql, request: CreateTransferRequest): Promise<void> {
  const { sourceLocationId, destinationLocationId } = request;
  const locations = await holdLocations(tx, [sourceLocationId, destinationLocationId]);
  for (const locationId of [sourceLocationId, destinationLocationId]) {
    if (!locations.has(locationId)) {
      throw locationNotFound(locationId);
    }
  }
  // One that is going out of use is cleared by transfers away from it.
  if (locations.get(destinationLocationId)?.deactivated === true) {
    const metadata = { location_id: destinationLocationId };
    throw fail('LOCATION_DEACTIVATED', `${destinationLocationId} is out of use`, metadata);
  }
}

async function checkLotsKnown(tx: Sql, { lines }: CreateTransferRequest): Promise<void> {
  const named = lines.filter(({ lotId }) => lotId !== '');
  if (named.length === 0) {
    return;
  }
  const { rows } = await tx.query<{ sku: string; lot_id: string }>({
    name: 'transfer_lots_unknown',
    text: `
      SELECT n.sku, n.lot_id
      FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS n(sku, lot_id, number)
      WHERE NOT EXISTS (SELECT FROM lots l WHERE l.sku = n.sku AND l.lot_id = n.lot_id)
      ORDER BY n.number LIMIT 1`,
    values: [named.map(({ sku }) => sku), named.map(({ lotId }) => lotId)],
  });
  const [unknown] = rows;
  if (unknown !== undefined) {
    const { sku, lot_id: lotId } = unknown;
    throw fail('LOT_NOT_FOUND', `${sku} has no lot ${lotId}`, { sku, lot_id: lotId });
  }
}
