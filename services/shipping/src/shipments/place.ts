/**
 * Places an order: compares what is sent back with what was offered, writes the shipment and its saga down in one transaction,
 * and waits for how that ends.
 */

import { fromBinary } from '@bufbuild/protobuf';
import {
  type PlaceShipmentRequest,
  PlaceShipmentRequestSchema,
  type PlaceShipmentResponse,
  PlaceShipmentResponseSchema,
  ShipmentState,
} from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { requestHash } from '@weft/runtime/data/idempotency';
import { type Sql, transaction } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { principal, requireSubject } from '@weft/runtime/server/caller';
import type { Pool } from 'pg';
import { type Checkout, readCheckout } from '../checkout/checkouts.ts';
import { OFFER_COLUMNS } from '../offer.ts';
import { firstMismatch, type MismatchedField } from './compare.ts';
import { beginSaga, type SagaRequest } from './saga/ledger.ts';
import { responseOf, sagaOfRequest } from './saga/outcome.ts';
import type { SagaRunner } from './saga/runner.ts';
import { recordChange, SHIPMENT_SELECTION, type ShipmentRow, shipmentOf } from './shipment.ts';

/** What placing leans on. */
export type PlaceParts = {
  readonly pool: Pool;
  readonly runner: SagaRunner;
};

/** @throws what the contract says of PlaceShipment. */
export async function placeShipment(parts: PlaceParts, request: PlaceShipmentRequest): Promise<PlaceShipmentResponse> {
  const customerId = requireSubject();
  const asked: SagaRequest = {
    kind: 'PLACE',
    principal: principal(),
    requestId: request.requestId,
    requestHash: requestHash(PlaceShipmentRequestSchema, request),
  };
  const earlier = await sagaOfRequest(parts.pool, asked);
  if (earlier !== undefined) {
    return answer(await responseOf(parts.pool, earlier));
  }
  await checkOffer(parts.pool, request, customerId);
  const begun = await transaction(parts.pool, (tx) => begin(parts.runner, tx, asked, request.quoteId, customerId));
  if (begun !== undefined) {
    return answer(await responseOf(parts.pool, begun, parts.runner.run(begun)));
  }
  // Something with this quote or this key came first: this very request, or another.
  const same = await sagaOfRequest(parts.pool, asked);
  if (same !== undefined) {
    return answer(await responseOf(parts.pool, same));
  }
  throw fail('QUOTE_STATE', 'An order was already placed with this quote.', { quote_id: request.quoteId });
}

/** @throws QUOTE_NOT_FOUND, QUOTE_MISMATCH, QUOTE_EXPIRED */
async function checkOffer(pool: Pool, request: PlaceShipmentRequest, customerId: string): Promise<void> {
  const read = await readCheckout(pool, request.quoteId);
  if (read === undefined) {
    throw fail('QUOTE_NOT_FOUND', 'PrepareCheckout issued no quote with this id.', { quote_id: request.quoteId });
  }
  const field = firstMismatch(request, customerId, read.checkout);
  if (field !== undefined) {
    throw mismatch(field, request.quoteId);
  }
  if (read.expired) {
    throw expired(read.checkout);
  }
}

/**
 * Writes shipment and saga. Undefined when a shipment with this quote, or a saga of this request, is there already.
 *
 * @throws QUOTE_EXPIRED when the offer ended in this moment.
 */
async function begin(
  { lease, times }: SagaRunner,
  tx: Sql,
  asked: SagaRequest,
  quoteId: string,
  customerId: string,
): Promise<string | undefined> {
  const { rows } = await tx.query<ShipmentRow>({
    name: 'shipment_begin',
    text: `
      INSERT INTO shipments (state, customer_id, quote_id, ${OFFER_COLUMNS})
      SELECT $3, $2, quote_id, ${OFFER_COLUMNS} FROM checkouts WHERE quote_id = $1
      ON CONFLICT (quote_id) WHERE state <> 6 DO NOTHING
      RETURNING ${SHIPMENT_SELECTION}`,
    values: [quoteId, customerId, ShipmentState.PENDING],
  });
  const [row] = rows;
  if (row === undefined) {
    return undefined;
  }
  const start = { shipmentId: row.shipmentId, step: 'RESERVE', giveUpMs: times.giveUpMs } as const;
  const sagaId = await beginSaga(tx, asked, start, lease);
  if (sagaId === undefined) {
    throw fail('REQUEST_ID_REUSED', undefined, { request_id: asked.requestId });
  }
  await recordChange(tx, shipmentOf(row));
  return sagaId;
}

function answer(bytes: Uint8Array): PlaceShipmentResponse {
  return fromBinary(PlaceShipmentResponseSchema, bytes);
}

function mismatch(field: MismatchedField, quoteId: string) {
  return fail('QUOTE_MISMATCH', `The ${field} is not what the checkout offered.`, { field, quote_id: quoteId });
}

function expired({ quoteId, expireTime }: Checkout) {
  return fail('QUOTE_EXPIRED', undefined, { quote_id: quoteId, expire_time: expireTime.toISOString() });
}
