/**
 * Transfers as rows of the database and as messages of the contract, and how they are read.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  type Transfer,
  type TransferLine,
  TransferSchema,
  TransferState,
} from '@weft/gen/weft/inventory/v1/transfer_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';

/** Quantities come as text inside JSON, whose numbers cannot hold them. */
type TransferRow = {
  readonly transfer_id: string;
  readonly state: TransferState;
  readonly source_location_id: string;
  readonly destination_location_id: string;
  readonly reference: string;
  readonly create_time: Date;
  readonly update_time: Date;
  readonly ship_time: Date | null;
  readonly lines: readonly [
    sku: string,
    lotId: string,
    quantity: string,
    accepted: string,
    rejected: string,
    returned: string,
  ][];
};

/** What a transfer is read as, of the alias `t`. */
const TRANSFER_COLUMNS = `
  t.transfer_id, t.state, t.source_location_id, t.destination_location_id, t.reference, t.create_time, t.update_time, t.ship_time,
  coalesce((SELECT json_agg(json_build_array(l.sku, l.lot_id, l.quantity::text, l.accepted_quantity::text, l.rejected_quantity::text,
      l.returned_quantity::text) ORDER BY l.sku, l.lot_id)
    FROM transfer_lines l WHERE l.transfer_id = t.transfer_id), '[]') AS lines`;

/** Which transfers are listed. */
export type TransferQuery = {
  readonly state: TransferState;
  /** Empty for all. */
  readonly locationId: string;
  /** Only those with a smaller id. */
  readonly before: string;
  readonly limit: number;
};

/**
 * Reads one transfer.
 *
 * @throws TRANSFER_NOT_FOUND
 */
export async function readTransfer(db: Sql, transferId: string): Promise<Transfer> {
  const { rows } = await db.query<TransferRow>({
    name: 'transfer_read',
    text: `SELECT ${TRANSFER_COLUMNS} FROM transfers t WHERE t.transfer_id = $1`,
    values: [transferId],
  });
  const [row] = rows;
  if (row === undefined) {
    throw fail('TRANSFER_NOT_FOUND', undefined, { transfer_id: transferId });
  }
  return transferOf(row);
}

/** Reads one transfer that stays as it is until the transaction ends. Taken after items and locations, before stock rows. */
export async function lockTransfer(tx: Sql, transferId: string): Promise<Transfer> {
  await tx.query({
    name: 'transfer_lock',
    text: 'SELECT FROM transfers WHERE transfer_id = $1 FOR UPDATE',
    values: [transferId],
  });
  // A statement of its own, so that it sees the lines as who held the lock before left them.
  return readTransfer(tx, transferId);
}

/** Reads a page of transfers, newest first: ids grow with time. */
export async function listTransfers(db: Sql, query: TransferQuery): Promise<Transfer[]> {
  const { rows } = await db.query<TransferRow>(listStatement(query));
  return rows.map(transferOf);
}

/**
 * The statement of a page. A location is on either side, never on both: each side is read from its own index to the end of the page,
 * and the page is cut from the two.
 */
export function listStatement({ state, locationId, before, limit }: TransferQuery) {
  const values: unknown[] = [before, limit];
  const stateIs = state === TransferState.UNSPECIFIED ? '' : ` AND state = $${values.push(state)}::smallint`;
  const side = (condition: string) => `
    (SELECT * FROM transfers WHERE transfer_id < $1${condition}${stateIs} ORDER BY transfer_id DESC LIMIT $2)`;
  if (locationId === '') {
    return { text: `SELECT ${TRANSFER_COLUMNS} FROM ${side('')} t ORDER BY t.transfer_id DESC`, values };
  }
  const location = `$${values.push(locationId)}`;
  const sides = `${side(` AND source_location_id = ${location}`)} UNION ALL ${side(` AND destination_location_id = ${location}`)}`;
  const page = `SELECT * FROM (${sides}) b ORDER BY transfer_id DESC LIMIT $2`;
  return { text: `SELECT ${TRANSFER_COLUMNS} FROM (${page}) t ORDER BY t.transfer_id DESC`, values };
}

function transferOf(row: TransferRow): Transfer {
  return create(TransferSchema, {
    transferId: row.transfer_id,
    state: row.state,
    sourceLocationId: row.source_location_id,
    destinationLocationId: row.destination_location_id,
    reference: row.reference,
    lines: row.lines.map(([sku, lotId, quantity, accepted, rejected, returned]) => ({
      sku,
      lotId,
      quantity: BigInt(quantity),
      acceptedQuantity: BigInt(accepted),
      rejectedQuantity: BigInt(rejected),
      returnedQuantity: BigInt(returned),
    })),
    createTime: timestampFromDate(row.create_time),
    updateTime: timestampFromDate(row.update_time),
    ...(row.ship_time === null ? {} : { shipTime: timestampFromDate(row.ship_time) }),
  });
}

/** Units of a line that were shipped and are neither received nor back. */
export function onTheWay(line: TransferLine): bigint {
  return line.quantity - line.acceptedQuantity - line.rejectedQuantity - line.returnedQuantity;
}
