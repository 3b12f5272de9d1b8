/**
 * Once only: the key, a hash of the request and the response are stored in the transaction of the effect, so that the same
 * request has its effect once and is answered with the same bytes (AIP-155). Keys are kept for at least 24 hours.
 */

import { createHash } from 'node:crypto';
import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import type { Pool } from 'pg';
import { fail } from '../errors/fail.ts';
import { principal } from '../server/caller.ts';
import { type Sql, sqlOn } from './pool.ts';
import { type PurgeOptions, purge } from './purge.ts';

/** A request that must have its effect once. */
export type OnceOptions<Req extends DescMessage, Res extends DescMessage> = {
  /** Full name of the RPC, or of a part of it: `weft.inventory.v1.StockService/ImportStock#1001`. */
  readonly rpc: string;
  /** In whose name; keys of different principals are different keys. Default: `principal()` of the current call. */
  readonly principal?: string;
  /** The caller's key, a UUID. */
  readonly requestId: string;
  readonly requestSchema: Req;
  readonly request: MessageShape<Req>;
  readonly responseSchema: Res;
};

/** Keys older than this may be forgotten, in hours. */
const KEEP_HOURS = 48;

/**
 * Runs `effect` unless this request was answered before, and gives its response or the first one. A duplicate that comes
 * while the first is still running waits for it. An effect that throws leaves no key behind.
 *
 * @throws REQUEST_ID_REUSED when the key came with another request.
 */
export async function once<Req extends DescMessage, Res extends DescMessage>(
  tx: Sql,
  options: OnceOptions<Req, Res>,
  effect: () => Promise<MessageShape<Res>>,
): Promise<MessageShape<Res>> {
  const key = [options.rpc, options.principal ?? principal(), options.requestId];
  const hash = requestHash(options.requestSchema, options.request);
  const claimed = await tx.query({
    name: 'idempotency_claim',
    text: `INSERT INTO idempotency_keys (rpc, principal, request_id, request_hash) VALUES ($1, $2, $3, $4)
           ON CONFLICT DO NOTHING`,
    values: [...key, hash],
  });
  if (claimed.rowCount === 0) {
    return await firstResponse(tx, key, hash, options.responseSchema);
  }
  const response = await effect();
  await tx.query({
    name: 'idempotency_answer',
    text: 'UPDATE idempotency_keys SET response = $4 WHERE rpc = $1 AND principal = $2 AND request_id = $3',
    values: [...key, toBinary(options.responseSchema, response)],
  });
  return response;
}

async function firstResponse<Res extends DescMessage>(
  tx: Sql,
  key: readonly string[],
  hash: Buffer,
  responseSchema: Res,
): Promise<MessageShape<Res>> {
  const { rows } = await tx.query<{ request_hash: Buffer; response: Buffer }>({
    name: 'idempotency_read',
    text: 'SELECT request_hash, response FROM idempotency_keys WHERE rpc = $1 AND principal = $2 AND request_id = $3',
    values: [...key],
  });
  const [first] = rows;
  if (first === undefined) {
    // It was there a moment ago: forgotten between two statements. The caller's next try finds no key.
    throw fail('UNREACHABLE');
  }
  if (!first.request_hash.equals(hash)) {
    throw fail('REQUEST_ID_REUSED', undefined, { request_id: key[2] ?? '' });
  }
  return fromBinary(responseSchema, first.response);
}

/** SHA-256 of a request. Two requests with equal fields have equal hashes. */
export function requestHash<Req extends DescMessage>(schema: Req, request: MessageShape<Req>): Buffer {
  return createHash('sha256')
    .update(toBinary(schema, request, { writeUnknownFields: false }))
    .digest();
}

/** Forgets keys that are older than 48 hours. Several processes may do so at once. */
export async function purgeIdempotencyKeys(pool: Pool, options: PurgeOptions = {}): Promise<void> {
  await purge(options, async (atOnce) => {
    const { rowCount } = await sqlOn(pool).query(
      `DELETE FROM idempotency_keys
       WHERE ctid = ANY(ARRAY(
         SELECT ctid FROM idempotency_keys WHERE create_time < now() - make_interval(hours => $1)
         LIMIT $2 FOR UPDATE SKIP LOCKED))`,
      [KEEP_HOURS, atOnce],
    );
    return rowCount ?? 0;
  });
}
