/**
 * TransferService: what its RPCs are made of.
 */

import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  CancelTransferResponseSchema,
  CreateTransferResponseSchema,
  ListTransfersRequestSchema,
  ReceiveTransferResponseSchema,
  ShipTransferResponseSchema,
  TransferService,
} from '@weft/gen/weft/inventory/v1/transfer_service_pb.js';
import { actor, mutate } from '@weft/runtime/data/mutation';
import { AFTER_EVERY_UUID, CURSOR, closePage, fitPage, openPage } from '@weft/runtime/data/page';
import { sqlOn } from '@weft/runtime/data/pool';
import type { Database } from '../database.ts';
import { draft } from './create.ts';
import { listTransfers, readTransfer } from './transfer.ts';
import { cancel, receive, ship } from './transitions.ts';

const { method } = TransferService;

/** Lines on a page, at most: as JSON they are up to 300 bytes each. */
const MAX_LINES_PER_PAGE = 12_000;

/** Makes the service on a database. */
export function transferService({ pool }: Database): ServiceImpl<typeof TransferService> {
  const sql = sqlOn(pool);
  return {
    createTransfer: (request) =>
      mutate(pool, method.createTransfer, request, async (tx) =>
        create(CreateTransferResponseSchema, { transfer: await draft(tx, request) }),
      ),

    shipTransfer: (request) =>
      mutate(pool, method.shipTransfer, request, async (tx) =>
        create(ShipTransferResponseSchema, { transfer: await ship(tx, request.transferId, actor()) }),
      ),

    receiveTransfer: (request) =>
      mutate(pool, method.receiveTransfer, request, async (tx) =>
        create(ReceiveTransferResponseSchema, { transfer: await receive(tx, request, actor()) }),
      ),

    cancelTransfer: (request) =>
      mutate(pool, method.cancelTransfer, request, async (tx) =>
        create(CancelTransferResponseSchema, { transfer: await cancel(tx, request.transferId, actor()) }),
      ),

    async getTransfer({ transferId }) {
      return { transfer: await readTransfer(sql, transferId) };
    },

    async listTransfers(request) {
      const asked = openPage(ListTransfersRequestSchema, request, [CURSOR.uuid]);
      const { state, locationId } = request;
      const before = asked.after?.[0] ?? AFTER_EVERY_UUID;
      const read = await listTransfers(sql, { state, locationId, before, limit: asked.size + 1 });
      const page = fitPage(asked, read, ({ lines }) => lines.length, MAX_LINES_PER_PAGE);
      const { entries, nextPageToken } = closePage(ListTransfersRequestSchema, request, page, read, (last) => [
        last.transferId,
      ]);
      return { transfers: [...entries], nextPageToken };
    },
  };
}
