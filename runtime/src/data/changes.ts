/**
 * The log of changes (an outbox): rows written in the transaction of the change they tell of, read in an order in which none
 * that commits late is skipped.
 *
 * Sequence numbers do not commit in order: a reader that has seen 8 may find 7 afterwards. So changes are ordered by
 * (transaction, position), and only those are read whose transaction is older than every transaction still running
 * (`pg_snapshot_xmin`): nothing can appear before what was read.
 */

import type { Pool } from 'pg';
import { detached } from '../server/call.ts';
import { afterCommit, query, type Sql } from './pool.ts';
import { type PurgeOptions, purge } from './purge.ts';

/** What changed, for `append`. */
export type NewChange = {
  /** The stream it belongs to: `items`, `stock`. */
  readonly topic: string;
  /** What changed: a SKU, an id. */
  readonly key: string;
  /**
   * How it is now, in an encoding of the service's choice. Without one the change only names what changed, and watchers are told once
   * of any number of changes to the same; one with a payload is told by itself.
   */
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
const NOTHING_PURGED = { count: 0n };

/** Writes changes in the transaction `tx`, in order, and wakes the readers once it has committed. */
export async function append(tx: Sql, changes: readonly NewChange[]): Promise<void> {
  if (changes.length === 0) {
    return;
  }
  await tx.query({
    name: 'changes_append',
    text: `INSERT INTO changes (topic, key, payload)
           SELECT topic, key, payload
           FROM unnest($1::text[], $2::text[], $3::bytea[]) WITH ORDINALITY AS change(topic, key, payload, number)
           ORDER BY number`,
    values: [
      changes.map((change) => change.topic),
      changes.map((change) => change.key),
      changes.map((change) => Buffer.from(change.payload)),
    ],
  });
  afterCommit(tx, wake);
}

/** Pools that are just waking readers, and whether they should do so once more. */
const waking = new WeakMap<Pool, { again: boolean }>();

/**
 * Wakes the readers of every process. Not part of the transaction that wrote: a NOTIFY makes transactions commit one after the
 * other, each with a disk write of its own; and not waiting for the disk, which who commits next would wait for too. A wake that is lost
 * costs a reader its poll interval.
 */
export function wake(pool: Pool): void {
  const state = waking.get(pool);
  if (state !== undefined) {
    state.again = true;
    return;
  }
  const begun = { again: false };
  waking.set(pool, begun);
  const done = () => {
    waking.delete(pool);
    if (begun.again) {
      wake(pool);
    }
  };
  const notify = {
    name: 'changes_wake',
    text: "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, '')",
    values: [CHANNEL],
  };
  detached(() => pool.query(notify)).then(done, done);
}

type LogRow = { oldest: bigint; kept_from: bigint; at: Date; held: boolean };
type ChangeRow = { transaction: bigint; position: bigint; topic: string; key: string; payload: Buffer };

/** What was read of the log. */
export type Read = {
  readonly changes: readonly Change[];
  /** How far the log has been read: behind all that came before it. At least the cursor of the last change. */
  readonly upTo: Cursor;
  /**
   * Everything that was written before this time, by the database's clock, has been read or comes before `upTo`: when it was read, or, while
   * changes wait for an older transaction to end, when the first of them began. Undefined when more is left than was asked for: what
   * is left may be of any time.
   */
  readonly at: Date | undefined;
  /** Changes of transactions before this one may have been forgotten: what comes after an earlier cursor may be incomplete. */
  readonly keptFrom: bigint;
  /** Whether changes were left that may be read as soon as an older transaction ends. */
  readonly held: boolean;
};

/** One row comes back at least; without one nothing was learnt. */
const NOTHING_READ: LogRow = { oldest: 0n, kept_from: 0n, at: new Date(0), held: false };

/**
 * The next changes after a cursor, in order; at most `limit`.
 *
 * @param topic only changes of this topic; absent for all.
 */
export async function readAfter(pool: Pool, cursor: Cursor, limit: number, topic?: string): Promise<Read> {
  // Without a name, and so planned anew each time: a plan that was kept from when the log was short would read all of it when it is long.
  const [log = NOTHING_READ, ...rows] = await query<LogRow & ChangeRow>(pool, {
    text: `-- ${topic === undefined ? 'changes_after' : 'changes_after_of'}
           WITH log AS MATERIALIZED (
             SELECT oldest, coalesce((SELECT max(transaction)::text::bigint FROM changes_horizon), 0) AS kept_from,
               held.since IS NOT NULL AS held, coalesce(held.since, statement_timestamp()) AS at
             FROM pg_current_snapshot() AS snapshot, pg_snapshot_xmin(snapshot) AS oldest,
               -- That what is seen is before the snapshot's end goes without saying, but makes the planner expect few, also of a log that nobody has
               -- analysed. The sum keeps it off an index on create_time, which it would walk through all that is older.
               LATERAL (
                 SELECT min(create_time + interval '0') AS since FROM changes
                 WHERE transaction >= oldest AND transaction < pg_snapshot_xmax(snapshot)) AS held)
           -- First what is said of the log, once, then its changes.
           SELECT oldest::text::bigint AS oldest, kept_from, at, held,
             NULL::bigint AS transaction, NULL::bigint AS position, NULL AS topic, NULL AS key, NULL::bytea AS payload
           FROM log
           UNION ALL
           SELECT NULL, NULL, NULL, NULL, transaction::text::bigint, position, topic, key, payload
           FROM (
             SELECT transaction, position, topic, key, payload
             FROM changes
             WHERE (transaction, position) > ($1::text::xid8, $2)
               AND transaction < (SELECT oldest FROM log)
               ${topic === undefined ? '' : 'AND topic = $4'}
             ORDER BY transaction, position
             LIMIT $3) AS next`,
    values: [cursor.transaction, cursor.position, limit, ...(topic === undefined ? [] : [topic])],
  });
  const { oldest, kept_from: keptFrom, at, held } = log;
  const changes = rows.map(({ transaction, position, topic: of, key, payload }) => ({
    topic: of,
    key,
    payload,
    cursor: { transaction, position },
  }));
  const last = changes.at(-1)?.cursor;
  if (changes.length === limit && last !== undefined) {
    return { changes, upTo: last, keptFrom, at: undefined, held };
  }
  return { changes, upTo: { transaction: oldest, position: 0n }, keptFrom, at, held };
}

/** Where a cursor stands to another: below 0 before it, 0 at the same place. */
export function compare(a: Cursor, b: Cursor): number {
  if (a.transaction !== b.transaction) {
    return a.transaction < b.transaction ? -1 : 1;
  }
  return a.position === b.position ? 0 : a.position < b.position ? -1 : 1;
}

/** The later of two cursors. */
export function later(a: Cursor, b: Cursor): Cursor {
  return compare(a, b) < 0 ? b : a;
}

/** The cursor before everything that the snapshot of `sql` may not see, and the snapshot's time. */
export async function currentSnapshot(sql: Sql): Promise<{ cursor: Cursor; at: Date }> {
  const { rows } = await sql.query<{ xmin: bigint; at: Date }>(
    'SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin, statement_timestamp() AS at',
  );
  const { xmin, at } = rows[0] ?? { xmin: 0n, at: new Date() };
  return { cursor: { transaction: xmin, position: 0n }, at };
}

/** The cursor before the last `count` changes that may be read; before all when there are no more than that. */
export async function cursorBeforeLast(sql: Sql, count: number): Promise<Cursor> {
  const { rows } = await sql.query<Cursor>({
    name: 'changes_before_last',
    text: `SELECT transaction::text::bigint AS transaction, position FROM changes
           WHERE transaction < pg_snapshot_xmin(pg_current_snapshot())
           ORDER BY changes.transaction DESC, changes.position DESC OFFSET $1 LIMIT 1`,
    values: [count],
  });
  return rows[0] ?? { transaction: 0n, position: 0n };
}

/**
 * Forgets changes that are older than a day, and notes how far. Also those of transactions that are yet to come: a backup
 * restored into another cluster brought them along, and they would be read out of order in days or years.
 */
export async function purgeChanges(pool: Pool, options: PurgeOptions = {}): Promise<void> {
  await query(pool, 'DELETE FROM changes WHERE transaction >= pg_snapshot_xmax(pg_current_snapshot())');
  await purge(options, async (atOnce) => {
    const [{ count } = NOTHING_PURGED] = await query<{ count: bigint }>(
      pool,
      `WITH gone AS (
         DELETE FROM changes
         WHERE position = ANY(ARRAY(
           SELECT position FROM changes WHERE create_time < now() - make_interval(hours => $1)
           ORDER BY create_time LIMIT $2 FOR UPDATE SKIP LOCKED))
         RETURNING transaction),
       horizon AS (SELECT max(transaction) AS transaction FROM gone),
       noted AS (
         INSERT INTO changes_horizon (id, transaction)
         SELECT true, ((transaction::text::bigint) + 1)::text::xid8 FROM horizon WHERE transaction IS NOT NULL
         ON CONFLICT (id) DO UPDATE SET transaction = greatest(changes_horizon.transaction, excluded.transaction))
       SELECT count(*) FROM gone`,
      [KEEP_HOURS, atOnce],
    );
    return Number(count);
  });
}
