/**
 * The idempotency keys of a batch of reservations: `once` of the runtime, for many callers in one transaction.
 */

import type { Sql } from '@weft/runtime/data/pool';
import { type KeyedCall, type KnownKey, type Outcome, RPC } from './call.ts';
import { keptBytes } from './held.ts';

/** Claims keys, in one order for all, so that batches do not wait for one another in circles. Gives those that were free, and the time. */
export async function claim(
  tx: Sql,
  calls: readonly KeyedCall[],
): Promise<{ claimed: ReadonlySet<string>; now: Date }> {
  const { rows } = await tx.query<{ keys: string[]; now: Date }>({
    name: 'reservation_keys_claim',
    text: `
      WITH claimed AS (
        INSERT INTO idempotency_keys (rpc, principal, request_id, request_hash)
        SELECT $1, principal, request_id, request_hash
        FROM unnest($2::text[], $3::uuid[], $4::bytea[]) AS k(principal, request_id, request_hash)
        ORDER BY principal COLLATE "C", request_id
        ON CONFLICT DO NOTHING
        RETURNING principal, request_id
      )
      SELECT coalesce(array_agg(request_id || ' ' || principal), '{}') AS keys, now()::timestamptz(3) AS now FROM claimed`,
    values: [RPC, ...columns(calls), calls.map(({ hash }) => hash)],
  });
  const [row] = rows;
  return { claimed: new Set(row?.keys), now: row?.now ?? new Date() };
}

/** What was answered when these keys came first, by key. */
export async function readKnown(tx: Sql, calls: readonly KeyedCall[]): Promise<ReadonlyMap<string, KnownKey>> {
  if (calls.length === 0) {
    return new Map();
  }
  const { rows } = await tx.query<{ key: string; request_hash: Buffer; response: Buffer; create_time: Date }>({
    name: 'reservation_keys_read',
    text: `
      SELECT request_id || ' ' || principal AS key, request_hash, response, create_time
      FROM idempotency_keys JOIN unnest($2::text[], $3::uuid[]) AS k(principal, request_id) USING (principal, request_id)
      WHERE rpc = $1`,
    values: [RPC, ...columns(calls)],
  });
  return new Map(
    rows.map((row) => [row.key, { hash: row.request_hash, response: row.response, createTime: row.create_time }]),
  );
}

/** Keeps the answers of claimed keys; the keys of those who got an error are free again, so that they may try once more. */
export async function store(
  tx: Sql,
  claimed: readonly { readonly call: KeyedCall; readonly outcome: Outcome | undefined }[],
): Promise<void> {
  const answered: { call: KeyedCall; response: Buffer }[] = [];
  const refused: KeyedCall[] = [];
  for (const { call, outcome } of claimed) {
    if (outcome === undefined || outcome instanceof Error) {
      refused.push(call);
    } else {
      answered.push({ call, response: keptBytes(outcome) });
    }
  }
  if (answered.length > 0) {
    await tx.query({
      name: 'reservation_keys_answer',
      text: `
        UPDATE idempotency_keys i SET response = k.response
        FROM unnest($2::text[], $3::uuid[], $4::bytea[]) AS k(principal, request_id, response)
        WHERE i.rpc = $1 AND i.principal = k.principal AND i.request_id = k.request_id`,
      values: [RPC, ...columns(answered.map(({ call }) => call)), answered.map(({ response }) => response)],
    });
  }
  if (refused.length > 0) {
    await tx.query({
      name: 'reservation_keys_free',
      text: `
        DELETE FROM idempotency_keys i
        USING unnest($2::text[], $3::uuid[]) AS k(principal, request_id)
        WHERE i.rpc = $1 AND i.principal = k.principal AND i.request_id = k.request_id`,
      values: [RPC, ...columns(refused)],
    });
  }
}

function columns(calls: readonly KeyedCall[]): [principals: string[], requestIds: string[]] {
  return [calls.map(({ principal }) => principal), calls.map(({ request }) => request.requestId)];
}
