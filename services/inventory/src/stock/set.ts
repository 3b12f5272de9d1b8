/**
 * Sets balances of one item at one location absolutely. Who sets what is on hand says what they believe is there, so that nothing that
 * happened meanwhile is undone unseen.
 */

import { create } from '@bufbuild/protobuf';
import {
  type SetStockRequest,
  type SetStockResponse,
  SetStockResponseSchema,
  StockReason,
  StockState,
} from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { append } from '@weft/runtime/data/changes';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { stockChange } from '../changes.ts';
import { instantOf } from '../instants.ts';
import { bookAt, checkBounds, checkFree, openLot, openPlace, type Place, shown } from './booking.ts';
import { type Level, levelOf, STOCK_COLUMNS, type StockRow } from './level.ts';
import { nameOf, unitsFree, unitsIn } from './states.ts';

/**
 * @throws INVALID_FIELD, ITEM_NOT_FOUND, LOCATION_NOT_FOUND, KIT_HAS_NO_STOCK, LOT_REQUIRED, LOT_UNEXPECTED, LOT_EXPIRY_MISMATCH,
 *   STOCK_CHANGED, INSUFFICIENT_STOCK, QUANTITY_OUT_OF_RANGE
 */
export async function set(tx: Sql, request: SetStockRequest, actor: string): Promise<SetStockResponse> {
  checkFields(request);
  const { onHand, expectedOnHand = 0n, safety, lowStockThreshold, lotId, source } = request;
  const expireTime = instantOf(request.lotExpireTime, 'lot_expire_time');
  const opened = await openPlace(tx, request);
  const lot = await openLot(tx, opened, { lotId, expireTime }, onHand !== undefined);
  const found = lot?.onHand ?? opened.level.onHand;
  if (onHand !== undefined && found !== expectedOnHand) {
    throw stockChanged(request, found, expectedOnHand);
  }
  const added = onHand === undefined ? 0n : onHand - found;
  if (added < 0n) {
    const free = unitsFree(StockState.AVAILABLE, undefined, opened.level, { lot });
    checkFree(request, -added, free, nameOf(StockState.AVAILABLE));
  }
  const units = {
    ...unitsIn(StockState.AVAILABLE, added),
    safety: safety === undefined ? 0n : safety - opened.level.safety,
  };
  checkBounds(opened.level, units);

  const unbooked = await setThreshold(tx, opened.level, lowStockThreshold);
  const booked = added !== 0n || units.safety !== 0n;
  const reason = added === 0n ? StockReason.SAFETY_SET : request.reason;
  const { level, entry } = booked
    ? await bookAt(tx, opened, units, lot, { reason, source, actor })
    : { level: unbooked, entry: undefined };
  return create(SetStockResponseSchema, {
    stockLevel: await shown(tx, opened, level),
    ...(entry === undefined ? {} : { ledgerEntry: entry }),
  });
}

/** The rules between fields, which the contract has in words. */
function checkFields({ onHand, expectedOnHand, safety, lowStockThreshold, reason }: SetStockRequest): void {
  if (onHand === undefined && safety === undefined && lowStockThreshold === undefined) {
    throw fieldError('on_hand', 'one of on_hand, safety and low_stock_threshold must be given');
  }
  if ((onHand === undefined) !== (expectedOnHand === undefined)) {
    throw fieldError('expected_on_hand', 'must be given exactly when on_hand is');
  }
  if (onHand !== undefined && reason === StockReason.UNSPECIFIED) {
    throw fieldError('reason', 'must be given when on_hand is');
  }
}

function fieldError(field: string, description: string) {
  return fail('INVALID_FIELD', `${field}: ${description}`, {}, { fieldViolations: [{ field, description }] });
}

function stockChanged({ sku, locationId }: Place, found: bigint, expected: bigint) {
  const message = `${found} units of ${sku} are on hand at ${locationId}, and ${expected} were expected`;
  return fail('STOCK_CHANGED', message, { sku, location_id: locationId, on_hand: `${found}`, expected: `${expected}` });
}

async function setThreshold(tx: Sql, level: Level, threshold: bigint | undefined): Promise<Level> {
  if (threshold === undefined || threshold === level.lowStockThreshold) {
    return level;
  }
  const { rows } = await tx.query<StockRow>({
    name: 'stock_set_threshold',
    text: `
      UPDATE stock s SET low_stock_threshold = $3, update_time = now()
      WHERE s.sku = $1 AND s.location_id = $2 RETURNING ${STOCK_COLUMNS}`,
    values: [level.sku, level.locationId, threshold],
  });
  await append(tx, [stockChange(level)]);
  return rows.map(levelOf)[0] ?? level;
}
