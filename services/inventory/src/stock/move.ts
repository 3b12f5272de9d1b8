/**
 * Moves units of one item at one location from state to state.
 */

import { create } from '@bufbuild/protobuf';
import {
  type MoveStockRequest,
  type MoveStockResponse,
  MoveStockResponseSchema,
  StockReason,
  StockState,
} from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { instantOf } from '../instants.ts';
import { bookAt, checkBounds, checkFree, openLot, openPlace, readTransferred, shown } from './booking.ts';
import { isOfLot, namedState, nameOf, unitsFree, unitsMoved } from './states.ts';

/**
 * Units that leave INCOMING have come in, so they are booked as RECEIVED; others have MOVED.
 *
 * @throws STOCK_MOVE_INVALID, ITEM_NOT_FOUND, LOCATION_NOT_FOUND, KIT_HAS_NO_STOCK, LOT_REQUIRED, LOT_UNEXPECTED, LOT_EXPIRY_MISMATCH,
 *   INSUFFICIENT_STOCK, QUANTITY_OUT_OF_RANGE
 */
export async function move(tx: Sql, request: MoveStockRequest, actor: string): Promise<MoveStockResponse> {
  const { quantity, source, lotId } = request;
  const expireTime = instantOf(request.lotExpireTime, 'lot_expire_time');
  const [from, to] = [namedState(request.fromState), namedState(request.toState)];
  if (from === to || to === StockState.INCOMING) {
    throw fail('STOCK_MOVE_INVALID', undefined, { from_state: StockState[from], to_state: StockState[to] });
  }
  const units = unitsMoved(from, to, quantity);
  const opened = await openPlace(tx, request);
  const lot = await openLot(tx, opened, { lotId, expireTime }, isOfLot(units));
  const transferred = from === StockState.INCOMING ? await readTransferred(tx, request) : 0n;
  checkFree(request, quantity, unitsFree(from, to, opened.level, { lot, transferred }), nameOf(from));
  checkBounds(opened.level, units);
  const reason = from === StockState.INCOMING ? StockReason.RECEIVED : StockReason.MOVED;
  const { level, entry } = await bookAt(tx, opened, units, lot, { reason, source, actor });
  return create(MoveStockResponseSchema, { stockLevel: await shown(tx, opened, level), ledgerEntry: entry });
}
