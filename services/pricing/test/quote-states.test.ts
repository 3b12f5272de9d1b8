// What becomes of a quote: one end, decided by the database's clock, the same for everybody who asks.

import { toBinary } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { AcceptQuoteResponseSchema, type Quote, QuoteState } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requestId } from '../../../dev/src/testing/calls.ts';
import { purgeQuotes } from '../src/quotes/store.ts';
import { aPrice, eventually, outcomeOf, place, putPrices, putRate, startPricing, type TestPricing } from './harness.ts';
import { Shelf } from './shelf.ts';

/** Hundreds of commits, on a busy machine. */
const RACE_MAX_MS = 120_000;

const { OPEN, ACCEPTED, VOIDED, EXPIRED } = QuoteState;

let shelf: Shelf;
let pricing: TestPricing;
beforeAll(async () => {
  shelf = await Shelf.start();
  shelf.put('MUG');
  pricing = await startPricing({ egress: shelf.egress });
  await putRate(pricing);
  await putPrices(pricing, aPrice('MUG', 1_250n));
});
afterAll(async () => {
  await pricing?.stop();
  await shelf?.stop();
});

async function newQuote(): Promise<string> {
  const { quote } = await pricing.quotes.createQuote({
    requestId: requestId(),
    lines: [{ sku: 'MUG', quantity: 1n }],
    currencyCode: 'EUR',
    destination: place('DE'),
  });
  return quote?.quoteId ?? '';
}
const newQuotes = (count: number) => Promise.all(Array.from({ length: count }, newQuote));

const accept = (quoteId: string, reference = 'order-1') =>
  pricing.quotes.acceptQuote({ requestId: requestId(), quoteId, reference });
const cancel = (quoteId: string, reference = '') =>
  pricing.quotes.voidQuote({ requestId: requestId(), quoteId, reference });
const stateOf = async (quoteId: string) => (await pricing.quotes.getQuote({ quoteId })).quote?.state;
const failureOf = (call: Promise<unknown>) => call.catch((error: unknown) => error);
/** The state that a call answers with, or the reason for which it is refused. */
const quoteOutcomeOf = (call: Promise<{ quote?: Quote | undefined }>) =>
  call.then(
    ({ quote }) => quote?.state,
    (error: unknown) => reasonOf(error) ?? error,
  );

/** Sets when quotes end, as an expression of SQL. Pricing itself never changes that. */
async function endAt(instant: string, ...quoteIds: readonly string[]): Promise<void> {
  await pricing.pool.query(`
    BEGIN;
    ALTER TABLE quotes DISABLE TRIGGER quotes_immutable;
    UPDATE quotes SET expire_time = ${instant} WHERE quote_id IN (${quoteIds.map((id) => `'${id}'`).join()});
    ALTER TABLE quotes ENABLE TRIGGER quotes_immutable;
    COMMIT`);
}

describe('an id', () => {
  test('is random: nobody guesses another’s quote from his own', async () => {
    const ids = await newQuotes(50);
    expect(new Set(ids).size).toBe(50);
    for (const id of ids) {
      // Version 4: 122 random bits, no clock and no counter.
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
    expect(new Set(ids.map((id) => id.slice(0, 6))).size).toBeGreaterThan(45);
  });

  test('that no quote has is told as such, everywhere', async () => {
    const quoteId = requestId();
    const error = await failureOf(pricing.quotes.getQuote({ quoteId }));
    expect(error).toMatchObject({ code: Code.NotFound });
    expect([reasonOf(error), metadataOf(error)]).toEqual(['QUOTE_NOT_FOUND', { quote_id: quoteId }]);
    const accept = pricing.quotes.acceptQuote({ requestId: requestId(), quoteId, reference: 'order-1' });
    expect(await outcomeOf(accept)).toBe('QUOTE_NOT_FOUND');
    expect(await outcomeOf(pricing.quotes.voidQuote({ requestId: requestId(), quoteId }))).toBe('QUOTE_NOT_FOUND');
    expect(await outcomeOf(pricing.quotes.getQuote({ quoteId: 'quote-1' }))).toBe('INVALID_FIELD');
  });
});

describe('accepting', () => {
  test('binds it to a reference, for which it is accepted still however often it is asked', async () => {
    const quoteId = await newQuote();
    const { quote } = await accept(quoteId);
    expect(quote).toMatchObject({ quoteId, state: ACCEPTED, reference: 'order-1' });
    expect((await accept(quoteId)).quote).toEqual(quote);
    expect((await pricing.quotes.getQuote({ quoteId })).quote).toEqual(quote);
  });

  test('for another reference is refused', async () => {
    const quoteId = await newQuote();
    await accept(quoteId);
    const error = await failureOf(accept(quoteId, 'order-2'));
    expect(error).toMatchObject({ code: Code.FailedPrecondition });
    expect(reasonOf(error)).toBe('QUOTE_STATE');
    expect(metadataOf(error)).toMatchObject({ quote_id: quoteId, state: 'ACCEPTED' });
    expect((await pricing.quotes.getQuote({ quoteId })).quote?.reference).toBe('order-1');
  });

  test('trap 7: the same request gets the same bytes, also after the quote was voided; another body is refused', async () => {
    const request = { requestId: requestId(), quoteId: await newQuote(), reference: 'order-1' };
    const answers = await Promise.all(Array.from({ length: 6 }, () => pricing.quotes.acceptQuote(request)));
    await cancel(request.quoteId, 'order-1');
    answers.push(await pricing.quotes.acceptQuote(request));
    const bytes = answers.map((answer) => Buffer.from(toBinary(AcceptQuoteResponseSchema, answer)).toString('hex'));
    expect(new Set(bytes).size).toBe(1);
    const other = pricing.quotes.acceptQuote({ ...request, reference: 'order-2' });
    expect(await outcomeOf(other)).toBe('REQUEST_ID_REUSED');
  });

  test('by many at once for references of their own: one has it', async () => {
    for (const quoteId of await newQuotes(10)) {
      const references = Array.from({ length: 8 }, (_, index) => `order-${index}`);
      const outcomes = await Promise.all(references.map((reference) => quoteOutcomeOf(accept(quoteId, reference))));
      const winner = references[outcomes.indexOf(ACCEPTED)];
      expect(outcomes.filter((outcome) => outcome === 'QUOTE_STATE')).toHaveLength(7);
      expect((await pricing.quotes.getQuote({ quoteId })).quote?.reference).toBe(winner);
    }
  });

  test('needs a reference of a sensible length', async () => {
    const quoteId = await newQuote();
    for (const reference of ['', 'x'.repeat(121)]) {
      expect(await outcomeOf(accept(quoteId, reference))).toBe('INVALID_FIELD');
    }
    expect((await accept(quoteId, 'x'.repeat(120))).quote?.state).toBe(ACCEPTED);
  });
});

describe('voiding', () => {
  test('ends an open quote for good, and one that is void stays so', async () => {
    const quoteId = await newQuote();
    const { quote } = await cancel(quoteId);
    expect(quote).toMatchObject({ quoteId, state: VOIDED });
    expect((await cancel(quoteId)).quote).toEqual(quote);
    expect((await cancel(quoteId, 'order-1')).quote).toEqual(quote);
    const error = await failureOf(accept(quoteId));
    expect(reasonOf(error)).toBe('QUOTE_STATE');
    expect(metadataOf(error)).toMatchObject({ state: 'VOIDED' });
  });

  test('takes back an acceptance only for what it was accepted for', async () => {
    const quoteId = await newQuote();
    await accept(quoteId);
    for (const reference of ['', 'order-2']) {
      expect(await outcomeOf(cancel(quoteId, reference))).toBe('QUOTE_STATE');
    }
    expect(await stateOf(quoteId)).toBe(ACCEPTED);
    expect((await cancel(quoteId, 'order-1')).quote?.state).toBe(VOIDED);
  });

  test('raced by an acceptance 200 times: one of the two wins, and both are told who', {
    timeout: RACE_MAX_MS,
  }, async () => {
    for (let round = 0; round < 10; round += 1) {
      const quoteIds = await newQuotes(20);
      await Promise.all(
        quoteIds.map(async (quoteId, index) => {
          const calls = [() => quoteOutcomeOf(accept(quoteId)), () => quoteOutcomeOf(cancel(quoteId))];
          const begun = (index % 2 === 0 ? calls : calls.toReversed()).map((call) => call());
          const outcomes = new Set(await Promise.all(begun));
          const state = await stateOf(quoteId);
          expect([ACCEPTED, VOIDED]).toContain(state);
          expect(outcomes).toEqual(new Set([state, 'QUOTE_STATE']));
        }),
      );
    }
  });
});

describe('expiry', () => {
  test('is the database’s clock’s to decide, at once and without a sweep', async () => {
    const quoteId = await newQuote();
    await endAt("clock_timestamp() + interval '1 minute'", quoteId);
    expect(await stateOf(quoteId)).toBe(OPEN);
    await endAt('clock_timestamp()', quoteId);
    const error = await failureOf(accept(quoteId));
    expect(error).toMatchObject({ code: Code.FailedPrecondition });
    expect([reasonOf(error), metadataOf(error)]).toEqual(['QUOTE_EXPIRED', { quote_id: quoteId }]);
    expect(await stateOf(quoteId)).toBe(EXPIRED);
  });

  test('is final: neither accepted nor voided afterwards, whoever looked at it before', async () => {
    const [seen = '', unseen = ''] = await newQuotes(2);
    await endAt('clock_timestamp()', seen, unseen);
    expect(await stateOf(seen)).toBe(EXPIRED);
    for (const quoteId of [seen, unseen]) {
      expect((await cancel(quoteId)).quote?.state).toBe(EXPIRED);
      expect(await outcomeOf(accept(quoteId))).toBe('QUOTE_EXPIRED');
      expect(await stateOf(quoteId)).toBe(EXPIRED);
    }
  });

  test('does not touch what was accepted or voided in time', async () => {
    const [taken = '', void_ = ''] = await newQuotes(2);
    await accept(taken);
    await cancel(void_);
    await endAt('clock_timestamp()', taken, void_);
    expect([await stateOf(taken), await stateOf(void_)]).toEqual([ACCEPTED, VOIDED]);
    expect((await accept(taken)).quote?.state).toBe(ACCEPTED);
  });

  test('raced by acceptance 200 times: who was told EXPIRED never finds it accepted, and the other way round', {
    timeout: RACE_MAX_MS,
  }, async () => {
    for (let round = 0; round < 10; round += 1) {
      const quoteIds = await newQuotes(20);
      // Spread over the time that the calls take, so that the clock strikes before, during and after them.
      await endAt("clock_timestamp() + random() * interval '200 milliseconds'", ...quoteIds);
      await Promise.all(
        quoteIds.map(async (quoteId) => {
          const watched: unknown[] = [];
          const outcome = quoteOutcomeOf(accept(quoteId));
          await eventually(
            async () => {
              watched.push(await stateOf(quoteId));
              return watched.at(-1);
            },
            (state) => state !== OPEN,
          );
          const decided = await outcome;
          const state = await stateOf(quoteId);
          expect([decided, state]).toEqual(state === ACCEPTED ? [ACCEPTED, ACCEPTED] : ['QUOTE_EXPIRED', EXPIRED]);
          // Once there was an answer other than open, there was no other after it.
          expect(new Set(watched.filter((one) => one !== OPEN))).toEqual(new Set([state]));
        }),
      );
    }
  });

  test('waits for an acceptance that is on its way: nobody is told EXPIRED of what is about to be accepted', async () => {
    const quoteId = await newQuote();
    await endAt("clock_timestamp() + interval '300 milliseconds'", quoteId);
    const client = await pricing.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query("UPDATE quotes SET state = 2, reference = 'order-1' WHERE quote_id = $1", [quoteId]);
      await eventually(
        async () =>
          (
            await pricing.pool.query('SELECT FROM quotes WHERE quote_id = $1 AND expire_time <= clock_timestamp()', [
              quoteId,
            ])
          ).rowCount,
        (count) => count === 1,
      );
      const asked = stateOf(quoteId);
      await eventually(
        async () =>
          (
            await pricing.pool.query(
              "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
          ).rowCount,
        (count) => count === 1,
      );
      await client.query('COMMIT');
      expect(await asked).toBe(ACCEPTED);
    } finally {
      client.release(true);
    }
  });

  test('what nobody accepted is forgotten a month later, what was accepted is kept', async () => {
    const [old = '', void_ = '', taken = '', recent = ''] = await newQuotes(4);
    await accept(taken);
    await cancel(void_);
    await endAt("now() - interval '31 days'", old, void_, taken);
    await endAt("now() - interval '29 days'", recent);
    await purgeQuotes(pricing.pool);
    expect(await outcomeOf(stateOf(old))).toBe('QUOTE_NOT_FOUND');
    expect(await outcomeOf(stateOf(void_))).toBe('QUOTE_NOT_FOUND');
    expect([await stateOf(taken), await stateOf(recent)]).toEqual([ACCEPTED, EXPIRED]);
  });
});
