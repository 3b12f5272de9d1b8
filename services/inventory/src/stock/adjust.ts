/**
 * Books units of one item in or out at one location.
 */

import { create } from '@bufbuild/protobuf';
import {
  type AdjustStockRequest,
  type AdjustStockResponse,
  AdjustStockResponseSchema,
} from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { post } from './ledger.ts';
import { type Level, levelMessage, MAX_UNITS, removable } from './level.ts';
import { lockStock } from './lock.ts';
import { ensureStock, holdItems, holdLocations } from './references.ts';

/** @throws ITEM_NOT_FOUND, LOCATION_NOT_FOUND, INSUFFICIENT_STOCK, QUANTITY_OUT_OF_RANGE */
export async function adjust(tx: Sql, request: AdjustStockRequest, actor: string): Promise<AdjustStockResponse> {
  const { sku, locationId, delta, reason, source } = request;
  if (!(await holdItems(tx, [sku])).has(sku)) {
    throw fail('ITEM_NOT_FOUND', `no item has the SKU ${sku}`, { sku });
  }
  if (!(await holdLocations(tx, [locationId])).has(locationId)) {
    throw fail('LOCATION_NOT_FOUND', `no location has the id ${locationId}`, { location_id: locationId });
  }
  await ensureStock(tx, [{ sku, locationId }]);
  const levels = await lockStock(tx, [sku]);
  const level = levels.find((one) => one.sku === sku && one.locationId === locationId);
  if (level === undefined) {
    throw new Error(`the stock row of ${sku} at ${locationId} vanished under its location's lock`);
  }
  checkDelta(level, delta);
  const { levels: after, entries } = await post(tx, [{ sku, locationId, onHand: delta }], { reason, source, actor });
  return create(AdjustStockResponseSchema, {
    ...(after[0] === undefined ? {} : { stockLevel: levelMessage(after[0]) }),
    ...(entries[0] === undefined ? {} : { ledgerEntry: entries[0] }),
  });
}

function checkDelta(level: Level, delta: bigint): void {
  const { sku, locationId, onHand } = level;
  const free = removable(level);
  if (delta < 0n && -delta > free) {
    const message = `${-delta} units of ${sku} are to be taken off at ${locationId}, and ${free} are free`;
    const metadata = { sku, location_id: locationId, requested: `${-delta}`, available: `${free}` };
    throw fail('INSUFFICIENT_STOCK', message, metadata);
  }
  if (onHand + delta > MAX_UNITS) {
    const message = `${onHand} units of ${sku} are on hand at ${locationId}, and at most ${MAX_UNITS} may be`;
    throw fail('QUANTITY_OUT_OF_RANGE', message, { sku, location_id: locationId, on_hand: `${onHand}` });
  }
}
