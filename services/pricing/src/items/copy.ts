/**
 * Pricing's own copy of what it needs of each item, so that quotes go on while inventory is away. It follows WatchItems and
 * keeps its resume token beside the rows; one whose history is gone lists again.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { Client } from '@connectrpc/connect';
import type { Item } from '@weft/gen/weft/inventory/v1/item_pb.js';
import type { ItemService, WatchItemsResponse } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import type { Running } from '@weft/runtime/data/jobs';
import { query, transaction } from '@weft/runtime/data/pool';
import { reasonOf } from '@weft/runtime/errors/fail';
import { log } from '@weft/runtime/log';
import { detached } from '@weft/runtime/server/call';
import type { Pool } from 'pg';

/** Items of a listing that are written at once. */
const BATCH_MAX = 200;
const BACKOFF_MIN_MS = 200;
const BACKOFF_MAX_MS = 10_000;

/** Begins to follow, and goes on until it is stopped, whatever happens to inventory. */
export function followItems(pool: Pool, items: Client<typeof ItemService>): Running {
  const stopped = new AbortController();
  const { signal } = stopped;
  const loop = async (): Promise<void> => {
    let backoffMs = BACKOFF_MIN_MS;
    while (!signal.aborted) {
      try {
        await follow(pool, items, signal, () => {
          backoffMs = BACKOFF_MIN_MS;
        });
      } catch (error) {
        if (reasonOf(error) === 'WATCH_HISTORY_GONE' || reasonOf(error) === 'RESUME_TOKEN_INVALID') {
          await query(pool, "UPDATE item_copy SET resume_token = ''").catch(() => {});
        }
        if (!signal.aborted && reasonOf(error) !== 'STREAM_ENDED') {
          log.info('the copy of the items waits for inventory', { error: String(error) });
        }
      }
      await delay(backoffMs * (0.5 + Math.random()), undefined, { signal }).catch(() => {});
      backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
    }
  };
  const running = detached(loop);
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}

/** Follows one stream until it ends. */
async function follow(
  pool: Pool,
  items: Client<typeof ItemService>,
  signal: AbortSignal,
  onMessage: () => void,
): Promise<void> {
  const resumeToken = await savedToken(pool);
  const listing = resumeToken === '' ? await beginListing(pool) : undefined;
  let batch: Item[] = [];
  for await (const message of items.watchItems({ resumeToken }, { signal })) {
    onMessage();
    if (message.resumeToken === '') {
      // Part of the first listing: only complete is it worth a token.
      batch.push(...listed(message));
      if (batch.length >= BATCH_MAX) {
        await save(pool, batch, listing);
        batch = [];
      }
      continue;
    }
    await save(pool, batch, listing);
    batch = [];
    if (message.event.case === 'bookmark' && listing !== undefined) {
      await endListing(pool, listing);
    }
    await apply(pool, message);
  }
}

function listed({ event }: WatchItemsResponse): Item[] {
  return event.case === 'changed' ? [event.value] : [];
}

async function savedToken(pool: Pool): Promise<string> {
  const [row] = await query<{ resume_token: string }>(pool, 'SELECT resume_token FROM item_copy');
  return row?.resume_token ?? '';
}

async function beginListing(pool: Pool): Promise<bigint> {
  const [row] = await query<{ listing: bigint }>(pool, 'UPDATE item_copy SET listing = listing + 1 RETURNING listing');
  return row?.listing ?? 0n;
}

/** What a complete listing did not show was deleted. */
async function endListing(pool: Pool, listing: bigint): Promise<void> {
  await query(pool, 'UPDATE items SET deleted = true WHERE listing < $1', [listing]);
}

async function apply(pool: Pool, { event, resumeToken }: WatchItemsResponse): Promise<void> {
  await transaction(pool, async (tx) => {
    if (event.case === 'changed') {
      await saveItems(tx, [event.value], undefined);
    } else if (event.case === 'deletedSku') {
      await tx.query('UPDATE items SET deleted = true WHERE sku = $1', [event.value]);
    }
    await tx.query('UPDATE item_copy SET resume_token = $1', [resumeToken]);
  });
}

async function save(pool: Pool, items: readonly Item[], listing: bigint | undefined): Promise<void> {
  if (items.length > 0) {
    await transaction(pool, (tx) => saveItems(tx, items, listing));
  }
}

async function saveItems(
  tx: { query(text: string, values: unknown[]): Promise<unknown> },
  items: readonly Item[],
  listing: bigint | undefined,
): Promise<void> {
  await tx.query(
    `INSERT INTO items (sku, name, tax_category, deleted, update_time, listing)
     SELECT sku, name, tax_category, deleted, update_time, coalesce($6, (SELECT listing FROM item_copy))
     FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::timestamptz[])
       AS item(sku, name, tax_category, deleted, update_time)
     ON CONFLICT (sku) DO UPDATE
     SET name = excluded.name, tax_category = excluded.tax_category, deleted = excluded.deleted,
         update_time = excluded.update_time, listing = excluded.listing
     WHERE items.update_time <= excluded.update_time`,
    [
      items.map((item) => item.sku),
      items.map((item) => item.name),
      items.map((item) => item.taxCategory),
      items.map((item) => item.deleteTime !== undefined),
      items.map((item) => (item.updateTime === undefined ? new Date(0) : timestampDate(item.updateTime))),
      listing ?? null,
    ],
  );
}
