/**
 * Books units of one item, in one state, in or out at one location.
 */

import { create } from '@bufbuild/protobuf';
import {
  type AdjustStockRequest,
  type AdjustStockResponse,
  AdjustStockResponseSchema,
  StockState,
} from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { instantOf } from '../instants.ts';
import { bookAt, checkBounds, checkFree, openLot, openPlace, readTransferred, shown } from './booking.ts';
import { isOfLot, namedState, nameOf, unitsFree, unitsIn } from './states.ts';

/**
 * @throws ITEM_NOT_FOUND, LOCATION_NOT_FOUND, KIT_HAS_NO_STOCK, LOT_REQUIRED, LOT_UNEXPECTED, LOT_EXPIRY_MISMATCH, INSUFFICIENT_STOCK,
 *   QUANTITY_OUT_OF_RANGE
 */
export async function adjust(tx: Sql, request: AdjustStockRequest, actor: string): Promise<AdjustStockResponse> {
  const { delta, reason, source, lotId } = request;
  const expireTime = instantOf(request.lotExpireTime, 'lot_expire_time');
  const state = namedState(request.state);
  const units = unitsIn(state, delta);
  const opened = await openPlace(tx, request);
  const lot = await openLot(tx, opened, { lotId, expireTime }, isOfLot(units));
  if (delta < 0n) {
    const transferred = state === StockState.INCOMING ? await readTransferred(tx, request) : 0n;
    checkFree(request, -delta, unitsFree(state, undefined, opened.level, { lot, transferred }), nameOf(state));
  }
  checkBounds(opened.level, units);
  const { level, entry } = await bookAt(tx, opened, units, lot, { reason, source, actor });
  return create(AdjustStockResponseSchema, { stockLevel: await shown(tx, opened, level), ledgerEntry: entry });
}
