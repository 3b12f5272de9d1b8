/**
 * The price book as a whole: its revision, and what its watchers are told. Whoever changes a price or a tax rate locks the book
 * first, so that writers come one after the other and can neither block each other in a circle nor slip past the clock
 * that tells of prices which begin or end by themselves.
 */

import { append } from '@weft/runtime/data/changes';
import { query, type Sql, transaction } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';

/** The topic of the log of changes. */
export const PRICES = 'prices';

const NOTHING = new Uint8Array();

/** What a change is about. A change carries no more than that; watchers read how it is now. */
export type PricedSku = { readonly sku: string; readonly currencyCode: string };

/** Locks the price book until the transaction ends. Readers are not held up. */
export async function lockBook(tx: Sql): Promise<void> {
  await tx.query('SELECT FROM price_book FOR UPDATE');
}

/** Makes a new revision of the price book, in the transaction of the change. Locks the book, if that was not done. */
export async function nextRevision(tx: Sql): Promise<void> {
  await tx.query('UPDATE price_book SET revision = revision + 1');
}

/** Tells the watchers, in the transaction of the change, that one unit may cost something else now. */
export async function tellWatchers(tx: Sql, prices: readonly PricedSku[]): Promise<void> {
  const keys = new Set(prices.map(({ sku, currencyCode }) => `${sku} ${currencyCode}`));
  await append(
    tx,
    [...keys].map((key) => ({ topic: PRICES, key, payload: NOTHING })),
  );
}

/** What a change on the topic of prices is about. */
export function pricedSkuOf({ key }: { readonly key: string }): PricedSku {
  const [sku = '', currencyCode = ''] = key.split(' ');
  return { sku, currencyCode };
}

/** Prices of one unit that began or ended since the watchers were told. */
const DUE = `FROM prices, price_book
  WHERE min_quantity = 1
    AND ((start_time > told_until AND start_time <= clock_timestamp())
      OR (end_time > told_until AND end_time <= clock_timestamp()))`;

/** Tells the watchers of prices that began or ended by themselves. Any number of replicas may do it at once. */
export async function tellTimedChanges(pool: Pool): Promise<void> {
  const [due] = await query<{ due: boolean }>(pool, `SELECT EXISTS (SELECT ${DUE}) AS due`);
  if (!due?.due) {
    return;
  }
  await transaction(pool, async (tx) => {
    await lockBook(tx);
    // The clock is read once: what begins between two readings of it would be told by neither this sweep nor the next.
    const { rows: clock } = await tx.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
    const until = [clock[0]?.now];
    const { rows } = await tx.query<PricedSku>(
      `SELECT DISTINCT sku, currency_code AS "currencyCode" ${DUE.replaceAll('clock_timestamp()', '$1::timestamptz')}`,
      until,
    );
    await tellWatchers(tx, rows);
    await tx.query('UPDATE price_book SET told_until = $1', until);
  });
}
