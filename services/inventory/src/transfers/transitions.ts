/**
 * Ships, receives and cancels transfers. Each unit that is shipped is accepted, rejected, returned or still on the way: a transition
 * writes the lines and books the balances in one transaction, under the transfer's lock.
 */

import { StockReason } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import {
  type ReceivedLine,
  type ReceiveTransferRequest,
  type Transfer,
  TransferState,
} from '@weft/gen/weft/inventory/v1/transfer_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { type Posting, post } from '../stock/ledger.ts';
import { removable } from '../stock/level.ts';
import { freeOfLot, knowLotsAt, lotKey } from '../stock/lots.ts';
import { checkMost, levelIn, openTransfer, unitsBySku } from './opened.ts';
import { onTheWay, readTransfer } from './transfer.ts';

const { DRAFT, SHIPPED, PARTLY_RECEIVED, RECEIVED, CANCELLED } = TransferState;

/** @throws TRANSFER_NOT_FOUND, TRANSFER_STATE, INSUFFICIENT_STOCK, QUANTITY_OUT_OF_RANGE */
export async function ship(tx: Sql, transferId: string, actor: string): Promise<Transfer> {
  const opened = await openTransfer(tx, transferId, (found) => {
    checkState(found, [DRAFT]);
    return true;
  });
  const { lines, sourceLocationId, destinationLocationId } = opened.transfer;
  const lots = await knowLotsAt(tx, sourceLocationId, lines);
  for (const { sku, lotId, quantity } of lines) {
    const lot = lots.get(lotKey({ sku, lotId }));
    const isTracked = opened.items.get(sku)?.lotTracked ?? false;
    // An item that began to be kept by lot, or ceased to be, since the draft has nothing of the kind that the line names.
    const free = isTracked !== (lot !== undefined) ? 0n : lot === undefined ? undefined : freeOfLot(lot);
    if (free !== undefined && free < quantity) {
      throw insufficient({ sku, locationId: sourceLocationId, lotId }, quantity, free);
    }
  }
  for (const [sku, units] of unitsBySku(lines.map(({ sku, quantity }) => ({ sku, units: quantity })))) {
    const free = removable(levelIn(opened, sku, sourceLocationId));
    if (free < units) {
      throw insufficient({ sku, locationId: sourceLocationId, lotId: '' }, units, free);
    }
    checkMost(levelIn(opened, sku, destinationLocationId), 'incoming', units);
  }
  const postings = lines.flatMap(({ sku, lotId, quantity }): Posting[] => [
    { sku, lotId, locationId: sourceLocationId, onHand: -quantity },
    { sku, locationId: destinationLocationId, incoming: quantity },
  ]);
  await post(tx, postings, { reason: StockReason.TRANSFERRED, source: transferId, actor });
  await tx.query({
    name: 'transfer_ship',
    text: 'UPDATE transfers SET state = $2, ship_time = now(), update_time = now() WHERE transfer_id = $1',
    values: [transferId, SHIPPED],
  });
  return readTransfer(tx, transferId);
}

/** @throws TRANSFER_NOT_FOUND, TRANSFER_STATE, TRANSFER_LINES_INVALID, TRANSFER_EXCEEDED, QUANTITY_OUT_OF_RANGE */
export async function receive(tx: Sql, request: ReceiveTransferRequest, actor: string): Promise<Transfer> {
  const { transferId } = request;
  const opened = await openTransfer(tx, transferId, (found) => {
    checkState(found, [SHIPPED, PARTLY_RECEIVED]);
    return true;
  });
  const { transfer } = opened;
  const destination = transfer.destinationLocationId;
  const received = addedUp(request.lines);
  checkOnTheWay(transfer, received);
  for (const [sku, units] of unitsBySku(received.map((line) => ({ sku: line.sku, units: unitsOf(line) })))) {
    checkMost(levelIn(opened, sku, destination), 'onHand', units);
  }
  await knowLotsAt(tx, destination, received);
  const postings = received.map(
    (line): Posting => ({
      sku: line.sku,
      lotId: line.lotId,
      locationId: destination,
      onHand: unitsOf(line),
      damaged: line.rejected,
      incoming: -unitsOf(line),
    }),
  );
  await post(tx, postings, { reason: StockReason.TRANSFERRED, source: transferId, actor });
  await tx.query({
    name: 'transfer_receive',
    text: `
      UPDATE transfer_lines l
      SET accepted_quantity = l.accepted_quantity + r.accepted, rejected_quantity = l.rejected_quantity + r.rejected
      FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[]) AS r(sku, lot_id, accepted, rejected)
      WHERE l.transfer_id = $1 AND l.sku = r.sku AND l.lot_id = r.lot_id`,
    values: [
      transferId,
      received.map(({ sku }) => sku),
      received.map(({ lotId }) => lotId),
      received.map(({ accepted }) => accepted),
      received.map(({ rejected }) => rejected),
    ],
  });
  const before = transfer.lines.reduce((sum, line) => sum + onTheWay(line), 0n);
  const now = received.reduce((sum, line) => sum + unitsOf(line), 0n);
  await enter(tx, transferId, before === now ? RECEIVED : PARTLY_RECEIVED);
  return readTransfer(tx, transferId);
}

/** @throws TRANSFER_NOT_FOUND, TRANSFER_STATE, QUANTITY_OUT_OF_RANGE */
export async function cancel(tx: Sql, transferId: string, actor: string): Promise<Transfer> {
  const opened = await openTransfer(tx, transferId, (found) => {
    checkState(found, [DRAFT, SHIPPED, PARTLY_RECEIVED, CANCELLED]);
    return found.state === SHIPPED || found.state === PARTLY_RECEIVED;
  });
  const { state, lines, sourceLocationId, destinationLocationId } = opened.transfer;
  if (state === CANCELLED) {
    return opened.transfer;
  }
  if (state !== DRAFT) {
    const back = lines.filter((line) => onTheWay(line) > 0n);
    for (const [sku, units] of unitsBySku(back.map((line) => ({ sku: line.sku, units: onTheWay(line) })))) {
      checkMost(levelIn(opened, sku, sourceLocationId), 'onHand', units);
    }
    await knowLotsAt(tx, sourceLocationId, back);
    const postings = back.flatMap((line): Posting[] => [
      { sku: line.sku, locationId: destinationLocationId, incoming: -onTheWay(line) },
      { sku: line.sku, lotId: line.lotId, locationId: sourceLocationId, onHand: onTheWay(line) },
    ]);
    await post(tx, postings, { reason: StockReason.TRANSFERRED, source: transferId, actor });
    await tx.query({
      name: 'transfer_return',
      text: `
        UPDATE transfer_lines SET returned_quantity = quantity - accepted_quantity - rejected_quantity
        WHERE transfer_id = $1`,
      values: [transferId],
    });
  }
  await enter(tx, transferId, CANCELLED);
  return readTransfer(tx, transferId);
}

async function enter(tx: Sql, transferId: string, state: TransferState): Promise<void> {
  await tx.query({
    name: 'transfer_enter',
    text: 'UPDATE transfers SET state = $2, update_time = now() WHERE transfer_id = $1',
    values: [transferId, state],
  });
}

/** @throws TRANSFER_STATE */
function checkState({ transferId, state }: Transfer, allowed: readonly TransferState[]): void {
  if (!allowed.includes(state)) {
    const message = `the transfer is ${TransferState[state].toLowerCase().replace('_', ' ')}`;
    throw fail('TRANSFER_STATE', message, { transfer_id: transferId, state: TransferState[state] });
  }
}

function insufficient(
  { sku, locationId, lotId }: { readonly sku: string; readonly locationId: string; readonly lotId: string },
  requested: bigint,
  available: bigint,
) {
  const what = lotId === '' ? sku : `the lot ${lotId} of ${sku}`;
  return fail(
    'INSUFFICIENT_STOCK',
    `${requested} units of ${what} are to leave ${locationId}, and ${available} are free`,
    {
      sku,
      location_id: locationId,
      lot_id: lotId,
      requested: `${requested}`,
      available: `${available}`,
    },
  );
}

type Received = { readonly sku: string; readonly lotId: string; readonly accepted: bigint; readonly rejected: bigint };

function unitsOf({ accepted, rejected }: Received): bigint {
  return accepted + rejected;
}

/** Lines about the same item and lot as one, and those about nothing left out. @throws TRANSFER_LINES_INVALID when all are. */
function addedUp(lines: readonly ReceivedLine[]): Received[] {
  const sums = new Map<string, Received>();
  for (const line of lines) {
    const { sku, lotId, acceptedQuantity, rejectedQuantity } = line;
    const { accepted, rejected } = sums.get(lotKey(line)) ?? { accepted: 0n, rejected: 0n };
    sums.set(lotKey(line), {
      sku,
      lotId,
      accepted: accepted + acceptedQuantity,
      rejected: rejected + rejectedQuantity,
    });
  }
  const received = [...sums.values()].filter((line) => unitsOf(line) > 0n);
  if (received.length === 0) {
    throw fail('TRANSFER_LINES_INVALID', 'no units are named');
  }
  return received;
}

function checkOnTheWay({ lines }: Transfer, received: readonly Received[]): void {
  const byKey = new Map(lines.map((line) => [lotKey(line), onTheWay(line)]));
  for (const line of received) {
    const { sku, lotId } = line;
    const units = byKey.get(lotKey(line));
    if (units === undefined || unitsOf(line) > units) {
      const what = lotId === '' ? sku : `the lot ${lotId} of ${sku}`;
      const message = `${unitsOf(line)} units of ${what} are to be received, and ${units ?? 0n} are on the way`;
      const metadata = { sku, lot_id: lotId, requested: `${unitsOf(line)}`, on_the_way: `${units ?? 0n}` };
      throw fail('TRANSFER_EXCEEDED', message, metadata);
    }
  }
}
