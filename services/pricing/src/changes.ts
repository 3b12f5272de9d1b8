/**
 * What pricing tells its watchers. A change carries no more than the name of what changed; watchers read how it is now.
 */

import { append } from '@weft/runtime/data/changes';
import type { Sql } from '@weft/runtime/data/pool';

export const PRICES = 'prices';

const NOTHING = new Uint8Array();

/** Writes that the prices of these SKUs and currencies may be others now, each pair once. */
export async function appendPriceChanges(
  tx: Sql,
  prices: readonly { sku: string; currencyCode: string }[],
): Promise<void> {
  const keys = new Set(prices.map(({ sku, currencyCode }) => `${sku} ${currencyCode}`));
  await append(
    tx,
    [...keys].map((key) => ({ topic: PRICES, key, payload: NOTHING })),
  );
}

/** What a change on the topic of prices is about. */
export function priceKeyOf(key: string): { sku: string; currencyCode: string } {
  const [sku = '', currencyCode = ''] = key.split(' ');
  return { sku, currencyCode };
}

/** Makes a new revision of the price book, in the transaction of the change, and gives it. Writers queue here. */
export async function nextRevision(tx: Sql): Promise<bigint> {
  const { rows } = await tx.query<{ revision: bigint }>({
    name: 'price_book_next',
    text: 'UPDATE price_book SET revision = revision + 1 RETURNING revision',
  });
  return rows[0]?.revision ?? 0n;
}
