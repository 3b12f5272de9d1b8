/**
 * Keeps pricing's copy of the items in step with inventory, so that quotes go on while inventory is away. It follows WatchItems
 * from where it was, also after a restart, and lists anew when that place is forgotten.
 *
 * One replica at a time does it: on one connection, which holds a lock as long as it lives and does all the writing, so that
 * who lost the lock cannot write either.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { Item } from '@weft/gen/weft/inventory/v1/item_pb.js';
import type { WatchItemsResponse } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import type { Running } from '@weft/runtime/data/jobs';
import type { Sql } from '@weft/runtime/data/pool';
import { reasonOf } from '@weft/runtime/errors/fail';
import { log } from '@weft/runtime/log';
import { detached } from '@weft/runtime/server/call';
import type { Pool } from 'pg';
import { beginListing, copyItems, dropItem, keepPlace, resumeTokenOf } from './copy.ts';
import type { Inventory } from './find.ts';

/** Advisory lock key of who follows, ours alone in the database: the text `item` as a number. */
const LOCK_KEY = 0x69_74_65_6d;
/** How often another replica looks whether it can take over, in milliseconds. */
const STANDBY_MS = 2_000;
/** Pause before a stream is opened again: doubled with each failure in a row, half of it at random. */
const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 10_000;
/** A stream that says nothing for so long, not even a bookmark, is dead, in milliseconds: the idle timeout of WatchItems. */
const SILENCE_MAX_MS = 60_000;
/** Items of a listing that are written at once. */
const BATCH_MAX = 500;

/** Begins to follow, and goes on until it is stopped, whatever happens to inventory or the database. */
export function followItems(pool: Pool, inventory: Inventory): Running {
  const stopped = new AbortController();
  const running = detached(() => followForEver(pool, inventory, stopped.signal));
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}

async function followForEver(pool: Pool, inventory: Inventory, signal: AbortSignal): Promise<void> {
  let failures = 0;
  const onMessage = () => {
    failures = 0;
  };
  while (!signal.aborted) {
    let pauseMs = STANDBY_MS;
    try {
      await exclusively(pool, (sql) => follow(sql, inventory, signal, onMessage));
    } catch (error) {
      if (!signal.aborted && reasonOf(error) !== 'STREAM_ENDED') {
        log.warn('the items cannot be followed; the copy stays as it is', { error });
      }
      pauseMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** failures);
      failures += 1;
    }
    await delay(pauseMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {});
  }
}

/** Runs `work` on a connection that holds the lock; does nothing when another replica has it. */
async function exclusively(pool: Pool, work: (sql: Sql) => Promise<void>): Promise<void> {
  const client = await pool.connect();
  // Without a listener a connection that breaks would end the process; the next statement tells.
  client.on('error', () => {});
  try {
    const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [LOCK_KEY]);
    if (rows[0]?.locked) {
      await work(client);
    }
  } finally {
    // Closed rather than given back, which frees the lock whatever happened.
    client.release(true);
  }
}

/** Follows one stream until it ends, which is always an error. */
async function follow(sql: Sql, inventory: Inventory, signal: AbortSignal, onMessage: () => void): Promise<void> {
  const resumeToken = await resumeTokenOf(sql);
  if (resumeToken === '') {
    await beginListing(sql);
  }
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error('inventory fell silent')), SILENCE_MAX_MS);
  try {
    const stream = inventory.watchItems({ resumeToken }, { signal: AbortSignal.any([signal, silence.signal]) });
    // Until its first bookmark: a listing is worth nothing before it is complete, and no place within it is kept.
    let isListing = resumeToken === '';
    let listed: Item[] = [];
    for await (const { event, resumeToken: place } of stream) {
      timer.refresh();
      onMessage();
      isListing &&= event.case !== 'bookmark';
      const isListed = isListing && event.case === 'changed';
      if (isListed) {
        listed.push(event.value);
      }
      if (listed.length === BATCH_MAX || (listed.length > 0 && !isListed)) {
        await copyItems(sql, listed);
        listed = [];
      }
      if (!isListed) {
        await apply(sql, event);
      }
      if (!isListing) {
        await keepPlace(sql, place);
      }
    }
    throw new Error('inventory ended the stream');
  } catch (error) {
    if (reasonOf(error) === 'WATCH_HISTORY_GONE' || reasonOf(error) === 'RESUME_TOKEN_INVALID') {
      log.info('the items are listed anew', { reason: reasonOf(error) });
      await beginListing(sql);
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function apply(sql: Sql, event: WatchItemsResponse['event']): Promise<void> {
  if (event.case === 'changed') {
    await copyItems(sql, [event.value]);
  } else if (event.case === 'deletedSku') {
    await dropItem(sql, event.value);
  }
}
