/**
 * The pool of connections to a workload's own database, and transactions on it. Everything is bounded: connections, waiting,
 * statements; and a transaction lasts no longer than the caller waits.
 */

import { Pool, type PoolClient, type QueryConfig, type QueryResult, type QueryResultRow, types } from 'pg';
import { fail } from '../errors/fail.ts';
import { log } from '../log.ts';
import { currentCall, remainingMs } from '../server/call.ts';
import { until } from '../server/until.ts';

/** What can run statements: the pool, or a transaction on one of its connections. */
export type Sql = {
  query<Row extends QueryResultRow>(statement: string | QueryConfig, values?: unknown[]): Promise<QueryResult<Row>>;
};

/** How a pool is bounded. */
export type PoolOptions = {
  readonly databaseUrl: string;
  /** The workload's name, as the database shows it. */
  readonly workload: string;
  /** Connections, at most. Default 8. */
  readonly maxConnections?: number;
  /** A statement that is not answered within this time, in milliseconds, failed: the server fell silent. Default a little above what one may take. */
  readonly answerMaxMs?: number;
};

/** Longest that one statement may take when no caller waits, in milliseconds. */
const STATEMENT_MAX_MS = 15_000;
/** Longest that a statement may wait for a row that another transaction holds, in milliseconds. */
const LOCK_MAX_MS = 5_000;
/** By then the server has answered, if only that it took too long. */
const ANSWER_MAX_MS = STATEMENT_MAX_MS + 2_000;
const CONNECT_MAX_MS = 5_000;
const IDLE_MAX_MS = 30_000;
/** How often PostgreSQL looks whether we are still there while a statement runs or waits, in milliseconds. */
const CLIENT_CHECK_MS = 1_000;
const INT8 = 20;

/** int8 does not fit a number; it is a bigint everywhere. */
const parsers = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === INT8 && format !== 'binary' ? BigInt : types.getTypeParser(oid, format as 'text'),
};

/** Opens a pool. Connections are made when they are needed; a database that is not there fails the calls, not the process. */
export function openPool({
  databaseUrl,
  workload,
  maxConnections = 8,
  answerMaxMs = ANSWER_MAX_MS,
}: PoolOptions): Pool {
  const pool = new Pool({
    connectionString: databaseUrl,
    application_name: workload,
    max: maxConnections,
    connectionTimeoutMillis: CONNECT_MAX_MS,
    idleTimeoutMillis: IDLE_MAX_MS,
    statement_timeout: STATEMENT_MAX_MS,
    query_timeout: answerMaxMs,
    lock_timeout: LOCK_MAX_MS,
    idle_in_transaction_session_timeout: STATEMENT_MAX_MS,
    // What a killed process or a caller who left was doing ends, and its locks are given back.
    options: `-c client_connection_check_interval=${CLIENT_CHECK_MS}`,
    types: parsers,
  });
  // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
  pool.on('error', (error) => log.warn('an idle database connection broke', { error }));
  return pool;
}

/** Serialization failure and deadlock: the transaction did nothing, and may succeed when it is run again. */
const REPEATABLE: ReadonlySet<string> = new Set(['40001', '40P01']);
const ATTEMPTS_MAX = 5;

/** Whether what failed did nothing and may succeed when it is run again: the victim of a deadlock, say. */
export function isRepeatable(error: unknown): boolean {
  return REPEATABLE.has(codeOf(error)) || (error instanceof Error && REPEATABLE.has(codeOf(error.cause)));
}

/**
 * Runs `work` in a transaction of its own: committed when it resolves, rolled back when it throws or when the current call's
 * caller has left. It is run again when PostgreSQL chose it as the victim of a deadlock, so it must have no effects outside
 * the database.
 *
 * @param begin how the transaction begins, such as `BEGIN ISOLATION LEVEL REPEATABLE READ`.
 * @throws what `work` throws, the reason of the call's signal, or UNREACHABLE, DEADLINE, OVERLOADED for what befell the
 *   database.
 */
export async function transaction<T>(pool: Pool, work: (tx: Sql) => Promise<T>, begin = 'BEGIN'): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await attemptOnce(pool, work, begin);
    } catch (error) {
      if (!REPEATABLE.has(codeOf(error)) || attempt === ATTEMPTS_MAX) {
        throw databaseError(error);
      }
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 5 * 2 ** attempt));
    }
  }
}

/**
 * Runs `work`, which only reads, in a transaction of its own. For reading that may take long: unlike a statement by itself, it ends in
 * the database too when its caller has no time left, and gives its connection to others.
 */
export function readWithin<T>(pool: Pool, work: (tx: Sql) => Promise<T>): Promise<T> {
  return transaction(pool, work, 'BEGIN READ ONLY');
}

type FollowUp = (pool: Pool) => void;
const followUps = new WeakMap<Sql, Set<FollowUp>>();

/**
 * Has `followUp` called once `tx` has committed, however often it is asked for; never when it is rolled back. Does nothing for
 * what `transaction` did not begin, so nothing but speed may depend on it.
 */
export function afterCommit(tx: Sql, followUp: FollowUp): void {
  followUps.get(tx)?.add(followUp);
}

/**
 * The pool for single statements, each a transaction by itself. They fail with UNREACHABLE, DEADLINE, OVERLOADED for what befell
 * the database.
 */
export function sqlOn(pool: Pool): Sql {
  return {
    query: (...statement) =>
      pool.query(...statement).catch((error: unknown) => {
        throw databaseError(error);
      }),
  };
}

/** The rows of one statement, as `sqlOn` runs it. */
export async function query<Row extends QueryResultRow>(
  pool: Pool,
  ...statement: Parameters<Sql['query']>
): Promise<Row[]> {
  return (await sqlOn(pool).query<Row>(...statement)).rows;
}

async function attemptOnce<T>(pool: Pool, work: (tx: Sql) => Promise<T>, begin: string): Promise<T> {
  const signal = currentCall()?.signal;
  signal?.throwIfAborted();
  const client = await pool.connect();
  let broken: Error | undefined;
  const onError = (error: Error): void => {
    broken = error;
  };
  client.on('error', onError);
  let running = 0;
  const tx: Sql = {
    async query(statement, values) {
      signal?.throwIfAborted();
      running += 1;
      try {
        return await client.query(statement, values);
      } finally {
        running -= 1;
      }
    },
  };
  const asked = new Set<FollowUp>();
  followUps.set(tx, asked);
  try {
    signal?.throwIfAborted();
    await client.query(`${begin}${statementTimeout()}`);
    const result = await (signal === undefined ? work(tx) : until(signal, work(tx)));
    await client.query('COMMIT');
    for (const followUp of asked) {
      followUp(pool);
    }
    return result;
  } catch (error) {
    // A statement that nobody waits for any more is not waited for here either: its connection is given up with it.
    const isLeft = isSilence(error) || (signal?.aborted && running > 0);
    broken ??= isLeft ? new Error('left while a statement ran') : await rollBack(client);
    throw error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}

async function rollBack(client: PoolClient): Promise<Error | undefined> {
  try {
    await client.query('ROLLBACK');
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** A transaction for a call does not outlive the caller's patience. Ends with the transaction (SET LOCAL). */
function statementTimeout(): string {
  const left = remainingMs();
  return left === undefined ? '' : `; SET LOCAL statement_timeout = ${Math.max(1, Math.min(left, STATEMENT_MAX_MS))}`;
}

/** SQLSTATE of a statement that ran into its timeout, and of a wait for a lock that did. */
const QUERY_CANCELED = '57014';
const LOCK_NOT_AVAILABLE = '55P03';
const RETRY_AFTER_MS = 250;
/** SQLSTATE classes 08 (connection), 53 (resources) and 57P (shutdown), and what the network says. */
const UNREACHABLE = /^(08|53|57P)|^E(CONNREFUSED|CONNRESET|PIPE|NOTFOUND|TIMEDOUT|HOSTUNREACH)$|^EAI_AGAIN$|^ENOENT$/;
/** What `pg` says without a code: of a connection that broke, of one that nothing comes from, and of a pool all of whose connections stayed in use. */
const CONNECTION_TEXT = /Connection terminated|Client has encountered a connection error/;
const SILENCE_TEXT = 'Query read timeout';
const POOL_EXHAUSTED_TEXT = 'timeout exceeded when trying to connect';

/** The typed error for what befell the database; anything else as it was. SQL never leaves the server. */
export function databaseError(error: unknown): unknown {
  const code = codeOf(error);
  if (code === QUERY_CANCELED) {
    return fail('DEADLINE', undefined, {}, { cause: error });
  }
  const message = error instanceof Error ? error.message : '';
  if (code === LOCK_NOT_AVAILABLE || REPEATABLE.has(code) || message === POOL_EXHAUSTED_TEXT) {
    return fail('OVERLOADED', undefined, {}, { retryAfterMs: RETRY_AFTER_MS, cause: error });
  }
  if (UNREACHABLE.test(code) || CONNECTION_TEXT.test(message) || isSilence(error)) {
    return fail('UNREACHABLE', 'The database cannot be reached.', {}, { retryAfterMs: RETRY_AFTER_MS, cause: error });
  }
  return error;
}

/** Whether a statement was not answered at all; its connection is of no use any more. */
function isSilence(error: unknown): boolean {
  return error instanceof Error && error.message === SILENCE_TEXT;
}

/** The SQLSTATE or system code of an error; empty when it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
