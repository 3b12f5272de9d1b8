/**
 * Quotes in the database. What a quote says is stored once and never changed; its state is decided by guarded statements
 * and the database's clock.
 */

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Quote, QuoteSchema, QuoteState } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';

type QuoteRow = { content: Buffer; state: QuoteState; reference: string };

const { OPEN, ACCEPTED, VOIDED, EXPIRED } = QuoteState;

/** Stores a new quote, which is open. */
export async function insertQuote(tx: Sql, quote: Quote, expireTime: Date): Promise<void> {
  await tx.query({
    name: 'quotes_insert',
    text: `INSERT INTO quotes (quote_id, content, state, expire_time) VALUES ($1, $2, ${OPEN}, $3)`,
    values: [quote.quoteId, toBinary(QuoteSchema, quote), expireTime.toISOString()],
  });
}

/**
 * A quote as it is now.
 *
 * That a quote has expired is written down before it is told, which waits for an acceptance that is on its way: who was told
 * EXPIRED never finds it accepted afterwards.
 *
 * @throws QUOTE_NOT_FOUND
 */
export async function readQuote(sql: Sql, quoteId: string): Promise<Quote> {
  const { rows } = await sql.query<QuoteRow & { due: boolean }>({
    name: 'quotes_read',
    text: `SELECT content, state, reference, state = ${OPEN} AND expire_time <= clock_timestamp() AS due
           FROM quotes WHERE quote_id = $1`,
    values: [quoteId],
  });
  const [row] = rows;
  if (row === undefined) {
    throw fail('QUOTE_NOT_FOUND', undefined, { quote_id: quoteId });
  }
  if (row.due) {
    await sql.query({
      name: 'quotes_expire',
      text: `UPDATE quotes SET state = ${EXPIRED}
             WHERE quote_id = $1 AND state = ${OPEN} AND expire_time <= clock_timestamp()`,
      values: [quoteId],
    });
    return readQuote(sql, quoteId);
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
    text: `UPDATE quotes SET state = ${ACCEPTED}, reference = $2
           WHERE quote_id = $1 AND state = ${OPEN} AND expire_time > clock_timestamp()`,
    values: [quoteId, reference],
  });
  const quote = await readQuote(tx, quoteId);
  if (quote.state === EXPIRED) {
    throw fail('QUOTE_EXPIRED', undefined, { quote_id: quote.quoteId });
  }
  if (quote.state !== ACCEPTED || quote.reference !== reference) {
    throw stateError(quote);
  }
  return quote;
}

/**
 * Voids a quote that nobody, or `reference`, has accepted, or finds that it binds nobody any more. One whose time ran out has
 * expired, also when nobody has looked at it since.
 *
 * @throws QUOTE_NOT_FOUND, QUOTE_STATE
 */
export async function voidQuote(tx: Sql, quoteId: string, reference: string): Promise<Quote> {
  await tx.query({
    name: 'quotes_void',
    text: `UPDATE quotes SET state = ${VOIDED}
           WHERE quote_id = $1
             AND ((state = ${OPEN} AND expire_time > clock_timestamp()) OR (state = ${ACCEPTED} AND reference = $2))`,
    values: [quoteId, reference],
  });
  const quote = await readQuote(tx, quoteId);
  if (quote.state === ACCEPTED) {
    throw stateError(quote);
  }
  return quote;
}

/** How long quotes that nobody accepted are kept after their end, in days. */
const KEEP_DAYS = 30;

/** Forgets quotes that bind nobody and ended long ago. */
export async function purgeQuotes(sql: Sql): Promise<void> {
  await sql.query(`DELETE FROM quotes WHERE state <> ${ACCEPTED} AND expire_time < now() - make_interval(days => $1)`, [
    KEEP_DAYS,
  ]);
}

function stateError(quote: Quote) {
  const isVoid = quote.state === VOIDED;
  const message = isVoid ? 'The quote was voided.' : 'The quote was accepted for something else.';
  return fail('QUOTE_STATE', message, { quote_id: quote.quoteId, state: isVoid ? 'VOIDED' : 'ACCEPTED' });
}
