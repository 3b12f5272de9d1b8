/**
 * The checkouts that were offered, by the quote that each made. PlaceShipment believes these rows and not what a caller sends.
 */

import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import { query, type Sql } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';
import { OFFER_COLUMNS, OFFER_SELECTION, type Offer, type OfferRow, offerOf, offerValues } from '../offer.ts';

/** What a checkout offered. */
export type Checkout = Offer & {
  readonly quoteId: string;
  /** Whom it is for: a token's subject, or empty for anyone. */
  readonly customerId: string;
  readonly expireTime: Date;
};

type CheckoutRow = OfferRow & {
  readonly quoteId: string;
  readonly customerId: string;
  readonly expireTime: Date;
  readonly expired: boolean;
};

/** Writes a checkout. A quote that has one keeps it. */
export async function storeCheckout(tx: Sql, checkout: Checkout): Promise<void> {
  await tx.query({
    name: 'checkout_store',
    text: `
      INSERT INTO checkouts (quote_id, customer_id, expire_time, ${OFFER_COLUMNS})
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
      ON CONFLICT (quote_id) DO NOTHING`,
    values: [checkout.quoteId, checkout.customerId, checkout.expireTime, ...offerValues(checkout)],
  });
}

/** The checkout that made a quote, and whether its time is over by the database's clock; undefined when there is none. */
export async function readCheckout(
  pool: Pool,
  quoteId: string,
): Promise<{ checkout: Checkout; expired: boolean } | undefined> {
  const [row] = await query<CheckoutRow>(pool, {
    name: 'checkout_read',
    text: `
      SELECT quote_id AS "quoteId", customer_id AS "customerId", expire_time AS "expireTime",
        expire_time <= now() AS expired, ${OFFER_SELECTION}
      FROM checkouts WHERE quote_id = $1`,
    values: [quoteId],
  });
  if (row === undefined) {
    return undefined;
  }
  const { quoteId: id, customerId, expireTime, expired } = row;
  return { checkout: { quoteId: id, customerId, expireTime, ...offerOf(row) }, expired };
}

/** What is kept of expired checkouts, for late questions: a day. After that nobody's address lies here without an order. */
export async function purgeCheckouts(pool: Pool): Promise<void> {
  await query(pool, `DELETE FROM checkouts WHERE expire_time < now() - interval '1 day'`);
}

/** The end of an offer: the earlier of the quote's and the rate's. */
export function offerEnd(quoteEnd: Timestamp, rateEnd: Timestamp): Date {
  const [quote, rate] = [timestampDate(quoteEnd), timestampDate(rateEnd)];
  return quote < rate ? quote : rate;
}
