/**
 * Waits for a saga on behalf of a call, whoever works on it: the first answer for the first request and for every repetition.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { query } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { currentCall, remainingMs } from '@weft/runtime/server/call';
import type { Pool } from 'pg';
import type { SagaRequest } from './ledger.ts';
import type { Failure } from './saga.ts';

/** A saga that belongs to a request. */
export type RequestedSaga = { readonly sagaId: string; readonly requestHash: Buffer };

type OutcomeRow = {
  readonly shipmentId: string;
  readonly failure: Failure | null;
  readonly response: Buffer | null;
  readonly done: boolean;
};

/** Pauses between looks at the row, in milliseconds: short at first, since most sagas take a few milliseconds. */
const FIRST_LOOK_MS = 10;
const LONGEST_LOOK_MS = 200;
/** Kept back from the deadline, so that SHIPMENT_PENDING still reaches the caller: at most a quarter of what there is. */
const MARGIN_MS = 500;
const RETRY_AFTER_MS = 1_000;

/**
 * The saga that this request has already; undefined for a new request.
 *
 * @throws REQUEST_ID_REUSED when the key came with another request.
 */
export async function sagaOfRequest(pool: Pool, request: SagaRequest): Promise<string | undefined> {
  const [row] = await query<RequestedSaga>(pool, {
    name: 'saga_of_request',
    text: `
      SELECT saga_id AS "sagaId", request_hash AS "requestHash" FROM sagas
      WHERE kind = $1 AND principal = $2 AND request_id = $3`,
    values: [request.kind, request.principal, request.requestId],
  });
  if (row !== undefined && !row.requestHash.equals(request.requestHash)) {
    throw fail('REQUEST_ID_REUSED', undefined, { request_id: request.requestId });
  }
  return row?.sagaId;
}

/**
 * The bytes of a saga's response.
 *
 * @param working the work of this process on it, if any; its end is worth a look.
 * @throws the failure with which it ended; SHIPMENT_PENDING when the deadline nears; the call's own end.
 */
export async function responseOf(pool: Pool, sagaId: string, working?: Promise<void>): Promise<Uint8Array> {
  const signal = currentCall()?.signal;
  const leftMs = remainingMs() ?? Number.POSITIVE_INFINITY;
  const waitUntilMs = Date.now() + leftMs - Math.min(MARGIN_MS, leftMs / 4);
  let worked = working;
  for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(lookMs * 1.5, LONGEST_LOOK_MS)) {
    const timer = new AbortController();
    const ends = signal === undefined ? timer.signal : AbortSignal.any([signal, timer.signal]);
    const pause = delay(worked === undefined ? lookMs : LONGEST_LOOK_MS, undefined, { signal: ends }).catch(() => {});
    await Promise.race([pause, ...(worked === undefined ? [] : [worked])]);
    worked = undefined;
    timer.abort();
    signal?.throwIfAborted();
    const row = await lookAt(pool, sagaId);
    if (row.failure !== null && row.done) {
      throw fail(row.failure.reason, row.failure.message, { ...row.failure.metadata, shipment_id: row.shipmentId });
    }
    if (row.response !== null) {
      return row.response;
    }
    if (Date.now() + lookMs >= waitUntilMs) {
      const metadata = { shipment_id: row.shipmentId };
      throw fail('SHIPMENT_PENDING', undefined, metadata, { retryAfterMs: RETRY_AFTER_MS });
    }
  }
}

async function lookAt(pool: Pool, sagaId: string): Promise<OutcomeRow> {
  const [row] = await query<OutcomeRow>(pool, {
    name: 'saga_outcome',
    text: `
      SELECT shipment_id AS "shipmentId", failure, response, done_time IS NOT NULL AS done
      FROM sagas WHERE saga_id = $1`,
    values: [sagaId],
  });
  if (row === undefined) {
    throw new Error(`saga ${sagaId} is gone`);
  }
  return row;
}
