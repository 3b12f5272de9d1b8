/**
 * Cancels a shipment: marks it in one transaction with the saga that gives stock and quote back, and waits for how that ends.
 */

import { fromBinary } from '@bufbuild/protobuf';
import {
  type CancelShipmentRequest,
  CancelShipmentRequestSchema,
  type CancelShipmentResponse,
  CancelShipmentResponseSchema,
  ShipmentState,
} from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { requestHash } from '@weft/runtime/data/idempotency';
import { type Sql, transaction } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { principal, requireSubject } from '@weft/runtime/server/caller';
import type { Pool } from 'pg';
import { beginSaga, type SagaRequest } from './saga/ledger.ts';
import { responseOf, sagaOfRequest } from './saga/outcome.ts';
import type { SagaRunner } from './saga/runner.ts';
import { recordChange, SHIPMENT_SELECTION, type ShipmentRow, shipmentOf } from './shipment.ts';

/** What cancelling leans on. */
export type CancelParts = { readonly pool: Pool; readonly runner: SagaRunner };

const RETRY_AFTER_MS = 1_000;

/** @throws what the contract says of CancelShipment. */
export async function cancelShipment(
  { pool, runner }: CancelParts,
  request: CancelShipmentRequest,
): Promise<CancelShipmentResponse> {
  const customerId = requireSubject();
  const asked: SagaRequest = {
    kind: 'CANCEL',
    principal: principal(),
    requestId: request.requestId,
    requestHash: requestHash(CancelShipmentRequestSchema, request),
  };
  const earlier = await sagaOfRequest(pool, asked);
  if (earlier !== undefined) {
    return answer(await responseOf(pool, earlier));
  }
  const begun = await transaction(pool, (tx) => begin(runner, tx, asked, request.shipmentId, customerId));
  if ('sagaId' in begun) {
    return answer(await responseOf(pool, begun.sagaId, runner.run(begun.sagaId)));
  }
  // Perhaps this very request came twice at once, and the other was faster.
  const same = await sagaOfRequest(pool, asked);
  if (same !== undefined) {
    return answer(await responseOf(pool, same));
  }
  throw refusal(request.shipmentId, begun.state);
}

/**
 * Marks a confirmed shipment and begins its saga; otherwise says in which state the shipment is.
 *
 * @throws SHIPMENT_NOT_FOUND
 */
async function begin(
  { lease }: SagaRunner,
  tx: Sql,
  asked: SagaRequest,
  shipmentId: string,
  customerId: string,
): Promise<{ sagaId: string } | { state: ShipmentState }> {
  const { rows } = await tx.query<{ state: ShipmentState }>({
    name: 'shipment_cancel_lock',
    text: 'SELECT state FROM shipments WHERE shipment_id = $1 AND customer_id = $2 FOR UPDATE',
    values: [shipmentId, customerId],
  });
  const state = rows[0]?.state;
  if (state === undefined) {
    throw fail('SHIPMENT_NOT_FOUND', undefined, { shipment_id: shipmentId });
  }
  if (state !== ShipmentState.CONFIRMED) {
    return { state };
  }
  const sagaId = await beginSaga(tx, asked, { shipmentId, step: 'RELEASE', giveUpMs: undefined }, lease);
  if (sagaId === undefined) {
    throw fail('REQUEST_ID_REUSED', undefined, { request_id: asked.requestId });
  }
  const marked = await tx.query<ShipmentRow>({
    name: 'shipment_cancel_mark',
    text: `UPDATE shipments SET state = $2, update_time = now() WHERE shipment_id = $1 RETURNING ${SHIPMENT_SELECTION}`,
    values: [shipmentId, ShipmentState.CANCELLING],
  });
  for (const row of marked.rows) {
    await recordChange(tx, shipmentOf(row));
  }
  return { sagaId };
}

function refusal(shipmentId: string, state: ShipmentState) {
  const metadata = { shipment_id: shipmentId, state: ShipmentState[state] };
  switch (state) {
    case ShipmentState.PENDING:
    case ShipmentState.RESERVED:
      return fail('SHIPMENT_PENDING', 'The shipment is still being placed.', metadata, {
        retryAfterMs: RETRY_AFTER_MS,
      });
    case ShipmentState.CANCELLING:
      return fail('SHIPMENT_PENDING', 'The shipment is already being cancelled.', metadata, {
        retryAfterMs: RETRY_AFTER_MS,
      });
    default:
      return fail('SHIPMENT_STATE', `The shipment is ${metadata.state} and cannot be cancelled.`, metadata);
  }
}

function answer(bytes: Uint8Array): CancelShipmentResponse {
  return fromBinary(CancelShipmentResponseSchema, bytes);
}
