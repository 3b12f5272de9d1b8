/**
 * Quotes in the database. What a quote says is stored once and never changed; its state is decided by guarded statements
 * and the database's clock.
 */

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Quote, QuoteSchema, QuoteState } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';

type QuoteRow = { content: Buffer; state: QuoteState; reference: string };

/** A row's state, expiry considered. */
const STATE = `CASE WHEN state = ${QuoteState.OPEN} AND expire_time <= now() THEN ${QuoteState.EXPIRED} ELSE state END AS state`;

/** Stores a new quote, which is open. */
export async function insertQuote(tx: Sql, quote: Quote, expireTime: Date): Promise<void> {
  await tx.query({
    name: 'quotes_insert',
    text: 'INSERT INTO quotes (quote_id, content, customer_id, expire_time) VALUES ($1, $2, $3, $4)',
    values: [quote.quoteId, toBinary(QuoteSchema, quote), quote.customerId, expireTime],
  });
}

/**
 * A quote as it is now.
 *
 * @throws QUOTE_NOT_FOUND
 */
export async function readQuote(sql: Sql, quoteId: string): Promise<Quote> {
  const { rows } = await sql.query<QuoteRow>({
    name: 'quotes_read',
    text: `SELECT content, ${STATE}, reference FROM quotes WHERE quote_id = $1`,
    values: [quoteId],
  });
  const [row] = rows;
  if (row === undefined) {
    throw fail('QUOTE_NOT_FOUND', undefined, { quote_id: quoteId });
  }
  const quote = fromBinary(QuoteSchema, row.content);
  quote.state = row.state;
  quote.reference = row.reference;
  return quote;
}

/**
 * Accepts an open quote for `reference`, or finds that it was.
 *
 * @throws QUOTE_NOT_FOUND, QUOTE_EXPIRED, QUOTE_STATE
 */
export async function acceptQuote(tx: Sql, quoteId: string, reference: string): Promise<Quote> {
  await tx.query({
    name: 'quotes_accept',
    text: `UPDATE quotes SET state = ${QuoteState.ACCEPTED}, reference = $2
           WHERE quote_id = $1 AND state = ${QuoteState.OPEN} AND expire_time > now()`,
    values: [quoteId, reference],
  });
  const quote = await readQuote(tx, quoteId);
  if (quote.state === QuoteState.EXPIRED) {
    throw fail('QUOTE_EXPIRED', undefined, { quote_id: quoteId });
  }
  if (quote.state !== QuoteState.ACCEPTED || quote.reference !== reference) {
    throw stateError(quote);
  }
  return quote;
}

/**
 * Voids a quote that nobody, or `reference`, has accepted, or finds that it is void.
 *
 * @throws QUOTE_NOT_FOUND, QUOTE_STATE
 */
export async function voidQuote(tx: Sql, quoteId: string, reference: string): Promise<Quote> {
  await tx.query({
    name: 'quotes_void',
    text: `UPDATE quotes SET state = ${QuoteState.VOIDED}
           WHERE quote_id = $1
             AND (state = ${QuoteState.OPEN} OR (state = ${QuoteState.ACCEPTED} AND reference = $2))`,
    values: [quoteId, reference],
  });
  const quote = await readQuote(tx, quoteId);
  if (quote.state === QuoteState.ACCEPTED) {
    throw stateError(quote);
  }
  return quote;
}

function stateError(quote: Quote) {
  const state = QuoteState[quote.state];
  return fail('QUOTE_STATE', `The quote is ${state?.toLowerCase() ?? 'in another state'} and not for this.`, {
    quote_id: quote.quoteId,
    state: state ?? '',
  });
}
