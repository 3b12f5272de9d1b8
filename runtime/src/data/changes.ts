/**
 * The log of changes (an outbox): rows written in the transaction of the change they tell of, read in an order in which none
 * that commits late is skipped.
 *
 * Sequence numbers do not commit in order: a reader that has seen 8 may find 7 afterwards. So changes are ordered by
 * (transaction, position), and only those are read whose transaction is older than every transaction still running
 * (`pg_snapshot_xmin`): nothing can appear before what was read.
 */

import type { Pool } from 'pg';
import { query, type Sql, transaction } from './pool.ts';

/** What changed, for `append`. */
export type NewChange = {
  /** The stream it belongs to: `items`, `stock`. */
  readonly topic: string;
  /** What changed: a SKU, an id. */
  readonly key: string;
  /** How it is now, in an encoding of the service's choice. */
  readonly payload: Uint8Array;
};

/** A change as it was written. */
export type Change = NewChange & { readonly cursor: Cursor };

/** A place in the log. Cursors are ordered by transaction, then position. */
export type Cursor = { readonly transaction: bigint; readonly position: bigint };

/** The channel on which a commit wakes the readers. */
export const CHANNEL = 'changes';

/** Changes are kept at least this long, in hours. */
const KEEP_HOURS = 24;

/** Writes changes in the transaction `tx`, in order. */
export async function append(tx: Sql, changes: readonly NewChange[]): Promise<void> {
  if (changes.length === 0) {
    return;
  }
  await tx.query({
    name: 'changes_append',
    text: `WITH written AS (
             INSERT INTO changes (topic, key, payload)
             SELECT topic, key, payload
             FROM unnest($1::text[], $2::text[], $3::bytea[]) WITH ORDINALITY AS change(topic, key, payload, number)
             ORDER BY number)
           SELECT pg_notify('${CHANNEL}', '')`,
    values: [
      changes.map((change) => change.topic),
      changes.map((change) => change.key),
      changes.map((change) => Buffer.from(change.payload)),
    ],
  });
}

type ChangeRow = { transaction: bigint; position: bigint; topic: string; key: string; payload: Buffer };

/** The next changes after a cursor, in order; at most `limit`. */
export async function readAfter(pool: Pool, cursor: Cursor, limit: number, topic?: string): Promise<Change[]> {
  const rows = await query<ChangeRow>(pool, {
    name: topic === undefined ? 'changes_after' : 'changes_after_of',
    text: `SELECT transaction::text::bigint AS transaction, position, topic, key, payload
           FROM changes
           WHERE (transaction, position) > ($1::text::xid8, $2)
             AND transaction < pg_snapshot_xmin(pg_current_snapshot())
             ${topic === undefined ? '' : 'AND topic = $4'}
           ORDER BY transaction, position
           LIMIT $3`,
    values: [cursor.transaction, cursor.position, limit, ...(topic === undefined ? [] : [topic])],
  });
  return rows.map(({ transaction, position, ...change }) => ({ ...change, cursor: { transaction, position } }));
}

/**
 * Runs `read` on a snapshot, and gives the cursor from which changes complete it: those that the snapshot did not see, and
 * perhaps some that it did. The snapshot lasts until `read` resolves.
 */
export async function atSnapshot<T>(pool: Pool, read: (tx: Sql) => Promise<T>): Promise<{ result: T; cursor: Cursor }> {
  return await transaction(
    pool,
    async (tx) => {
      const cursor = await currentCursor(tx);
      return { cursor, result: await read(tx) };
    },
    'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
  );
}

/** The cursor before everything that the snapshot of `sql` may not see. */
export async function currentCursor(sql: Sql): Promise<Cursor> {
  const { rows } = await sql.query<{ xmin: bigint }>(
    'SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin',
  );
  return { transaction: rows[0]?.xmin ?? 0n, position: 0n };
}

/** Whether all changes after a cursor are still there. A cursor of another database, from the future, is not. */
export async function isKept(pool: Pool, cursor: Cursor): Promise<boolean> {
  const [row] = await query<{ kept: boolean }>(
    pool,
    `SELECT $1::text::xid8 <= pg_snapshot_xmax(pg_current_snapshot())
            AND $1::text::xid8 >= coalesce((SELECT max(transaction) FROM changes_horizon), '0') AS kept`,
    [cursor.transaction],
  );
  return row?.kept ?? false;
}

/** Forgets changes that are older than a day, and notes how far. */
export async function purgeChanges(pool: Pool): Promise<void> {
  await query(
    pool,
    `WITH gone AS (
       DELETE FROM changes WHERE create_time < now() - make_interval(hours => $1) RETURNING transaction),
     horizon AS (SELECT max(transaction) AS transaction FROM gone)
     INSERT INTO changes_horizon (id, transaction)
     SELECT true, ((transaction::text::bigint) + 1)::text::xid8 FROM horizon WHERE transaction IS NOT NULL
     ON CONFLICT (id) DO UPDATE SET transaction = greatest(changes_horizon.transaction, excluded.transaction)`,
    [KEEP_HOURS],
  );
}
