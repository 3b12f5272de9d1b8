// Quotes: what was offered is offered to the end, adds up, and cannot be had for money that the caller made up.

import { type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import {
  type CreateQuoteRequestSchema,
  CreateQuoteResponseSchema,
  type Quote,
  QuoteSchema,
  QuoteState,
} from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requestId } from '../../../dev/src/testing/calls.ts';
import {
  aPrice,
  at,
  type Clients,
  fromNow,
  outcomeOf,
  place,
  putPrices,
  putRate,
  startPricing,
  type TestPricing,
} from './harness.ts';
import { Shelf } from './shelf.ts';

let shelf: Shelf;
let pricing: TestPricing;
beforeAll(async () => {
  shelf = await Shelf.start();
  for (const sku of ['MUG', 'POT', 'ODD', 'DEAR', 'BARE', 'MOVING']) {
    shelf.put(sku);
  }
  shelf.put('BREAD', { name: 'Brot “rund” 🥖', taxCategory: 'food' });
  pricing = await startPricing({ egress: shelf.egress });
  await putRate(pricing);
  await putRate(pricing, { taxCategory: 'food', ratePpm: 70_000, name: 'MwSt. ermäßigt' });
  await putRate(pricing, { jurisdiction: 'US', ratePpm: 0, name: 'None' });
  await putRate(pricing, { jurisdiction: 'US-CA', ratePpm: 72_500, name: 'Sales tax' });
  await putPrices(
    pricing,
    aPrice('MUG', 1_250n),
    aPrice('MUG', 1_100n, { minQuantity: 10n }),
    aPrice('BREAD', 249n),
    aPrice('POT', 3_999n),
    aPrice('ODD', 1n, { taxInclusive: false }),
    aPrice('DEAR', 1_000_000_000_000n),
    aPrice('MUG', 1_500n, { currencyCode: 'USD', taxInclusive: false }),
    aPrice('MUG', 1_980n, { currencyCode: 'JPY' }),
    aPrice('GHOST', 1n),
  );
});
afterAll(async () => {
  await pricing?.stop();
  await shelf?.stop();
});

type Request = Extract<MessageInitShape<typeof CreateQuoteRequestSchema>, { $typeName?: never }>;

const aQuote = (more: Request = {}): Request => ({
  requestId: requestId(),
  lines: [{ sku: 'MUG', quantity: 2n }],
  currencyCode: 'EUR',
  destination: place('DE'),
  ...more,
});
async function quoteFor(more: Request = {}, { quotes }: Clients = pricing): Promise<Quote> {
  const { quote } = await quotes.createQuote(aQuote(more));
  if (quote === undefined) {
    throw new Error('there is no quote in the response');
  }
  return quote;
}
const charge = (minorUnits: bigint, currencyCode = 'EUR') => ({
  rateId: 'rate-1',
  name: 'Alpenpost Express',
  charge: { currencyCode, minorUnits },
});
const failureOf = (call: Promise<unknown>) => call.catch((error: unknown) => error);
const amounts = ({ lines, shipping, taxes, tax, total, itemsGross }: Quote) => ({
  lines,
  shipping,
  taxes,
  tax,
  total,
  itemsGross,
});

describe('a quote', () => {
  test('adds up to the cent: lines sorted by SKU, shipping, tax by rate', async () => {
    const destination = {
      ...place('DE'),
      recipient: 'Ada',
      lines: ['Hafenstraße 1'],
      city: 'Hamburg',
      postalCode: '20457',
    };
    const lines = [
      { sku: 'MUG', quantity: 3n },
      { sku: 'BREAD', quantity: 7n },
    ];
    const quote = await quoteFor({ lines, destination, shippingCharge: charge(595n), customerId: 'ada' });
    expect(quote).toMatchObject({
      state: QuoteState.OPEN,
      lines: [
        {
          sku: 'BREAD',
          name: 'Brot “rund” 🥖',
          quantity: 7n,
          taxCategory: 'food',
          unitPrice: { currencyCode: 'EUR', minorUnits: 249n },
          amount: {
            net: { minorUnits: 1_629n },
            tax: { minorUnits: 114n },
            gross: { minorUnits: 1_743n },
            ratePpm: 70_000,
          },
        },
        {
          sku: 'MUG',
          amount: { net: { minorUnits: 3_151n }, tax: { minorUnits: 599n }, gross: { minorUnits: 3_750n } },
        },
      ],
      shipping: {
        rateId: 'rate-1',
        name: 'Alpenpost Express',
        amount: { net: { minorUnits: 500n }, tax: { minorUnits: 95n }, gross: { minorUnits: 595n } },
      },
      taxInclusive: true,
      itemsGross: { minorUnits: 5_493n },
      taxes: [
        { name: 'MwSt.', ratePpm: 190_000, net: { minorUnits: 3_651n }, tax: { minorUnits: 694n } },
        { name: 'MwSt. ermäßigt', ratePpm: 70_000, net: { minorUnits: 1_629n }, tax: { minorUnits: 114n } },
      ],
      tax: { minorUnits: 808n },
      total: { currencyCode: 'EUR', minorUnits: 6_088n },
      destination,
      customerId: 'ada',
      reference: '',
    });
    expect(quote.priceBookRevision).toBe(5n);
    expect((quote.expireTime?.seconds ?? 0n) - (quote.createTime?.seconds ?? 0n)).toBe(1_800n);
    expect((await pricing.quotes.getQuote({ quoteId: quote.quoteId })).quote).toEqual(quote);
  });

  test('trap 2: lines of one SKU become one, and count together for the tier', async () => {
    const quote = await quoteFor({ lines: Array.from({ length: 4 }, () => ({ sku: 'MUG', quantity: 3n })) });
    expect(quote.lines).toMatchObject([{ sku: 'MUG', quantity: 12n, unitPrice: { minorUnits: 1_100n } }]);
    expect(quote.total?.minorUnits).toBe(13_200n);
  });

  test('adds tax on top where prices do not include it, by the destination’s subdivision', async () => {
    const dollars = { currencyCode: 'USD', lines: [{ sku: 'MUG', quantity: 1n }] };
    const california = await quoteFor({ ...dollars, destination: place('US', 'CA') });
    expect(california).toMatchObject({
      taxInclusive: false,
      itemsGross: { minorUnits: 1_609n },
      tax: { minorUnits: 109n },
    });
    const oregon = await quoteFor({ ...dollars, destination: place('US', 'OR') });
    expect(oregon).toMatchObject({ total: { minorUnits: 1_500n }, tax: { minorUnits: 0n } });
    const yen = await quoteFor({ currencyCode: 'JPY' });
    expect(yen.total).toMatchObject({ currencyCode: 'JPY', minorUnits: 3_960n });
  });

  test('of the same inputs has the same amounts, and another id', async () => {
    const [one, other] = [
      await quoteFor({ shippingCharge: charge(1n) }),
      await quoteFor({ shippingCharge: charge(1n) }),
    ];
    expect(amounts(one)).toEqual(amounts(other));
    expect(one.priceBookRevision).toBe(other.priceBookRevision);
    expect(one.quoteId).not.toBe(other.quoteId);
  });

  test('says what it said, whatever becomes of prices, rates and items', async () => {
    await putPrices(pricing, aPrice('MOVING', 100n));
    const quote = await quoteFor({ lines: [{ sku: 'MOVING', quantity: 1n }] });
    await putPrices(pricing, aPrice('MOVING', 200n));
    await putRate(pricing, { taxCategory: 'moving', ratePpm: 0 });
    shelf.put('MOVING', { name: 'Moved', taxCategory: 'moving' });
    await expect
      .poll(async () => (await quoteFor({ lines: [{ sku: 'MOVING', quantity: 1n }] })).lines)
      .toMatchObject([{ name: 'Moved', amount: { tax: { minorUnits: 0n }, gross: { minorUnits: 200n } } }]);
    const { quote: read = quote } = await pricing.quotes.getQuote({ quoteId: quote.quoteId });
    expect(Buffer.from(toBinary(QuoteSchema, read))).toEqual(Buffer.from(toBinary(QuoteSchema, quote)));
    const later = await quoteFor({ lines: [{ sku: 'MOVING', quantity: 1n }] });
    expect(later.priceBookRevision).toBe(quote.priceBookRevision + 2n);
  });

  test('cannot be altered in the database either', async () => {
    const { quoteId } = await quoteFor();
    for (const change of [
      "content = '\\x00'",
      "expire_time = expire_time + interval '1 hour'",
      'quote_id = uuidv4()',
    ]) {
      const altered = pricing.pool.query(`UPDATE quotes SET ${change} WHERE quote_id = $1`, [quoteId]);
      await expect(altered).rejects.toThrow('a quote is immutable');
    }
  });

  test('takes the price that holds now', async () => {
    const over = at('2020-01-01T00:00:00Z');
    await putPrices(
      pricing,
      aPrice('POT', 1n, { startTime: fromNow(3_600_000) }),
      aPrice('POT', 2n, { startTime: at('2019-01-01T00:00:00Z'), endTime: over }),
    );
    expect((await quoteFor({ lines: [{ sku: 'POT', quantity: 1n }] })).total?.minorUnits).toBe(3_999n);
  });
});

describe('money never comes from the caller', () => {
  test.each<[string, string | undefined]>([
    ['edge', undefined],
    ['edge', 'ada'],
    ['inventory', undefined],
    ['console', undefined],
  ])('%s (user %s) may put neither a charge nor a customer on a quote', async (workload, subject) => {
    const caller = pricing.as(workload, subject);
    for (const more of [{ shippingCharge: charge(0n) }, { customerId: 'ada' }]) {
      const error = await failureOf(quoteFor(more, caller));
      expect(error).toMatchObject({ code: Code.PermissionDenied });
      expect(reasonOf(error)).toBe('SHIPPING_CHARGE_FORBIDDEN');
    }
    const quote = await quoteFor({}, caller);
    expect(quote.shipping).toBeUndefined();
    // Whom it is for is what the token says, and only the edge speaks for users.
    expect(quote.customerId).toBe(workload === 'edge' ? (subject ?? '') : '');
  });

  test('a user’s token does not make a charge the workload shipping’s', async () => {
    const quote = await quoteFor({ customerId: 'eve', shippingCharge: charge(1n) }, pricing.as('shipping', 'ada'));
    expect(quote.customerId).toBe('eve');
  });

  test('a charge in another currency, or less than nothing, is refused', async () => {
    for (const shippingCharge of [charge(595n, 'USD'), charge(-1n)]) {
      expect(await outcomeOf(quoteFor({ shippingCharge }))).toBe('INVALID_FIELD');
    }
  });
});

describe('is refused with a reason', () => {
  test('for a SKU that has no item, though it has a price', async () => {
    const lines = [
      { sku: 'MUG', quantity: 1n },
      { sku: 'GHOST', quantity: 1n },
    ];
    const error = await failureOf(quoteFor({ lines }));
    expect(error).toMatchObject({ code: Code.NotFound });
    expect([reasonOf(error), metadataOf(error)]).toEqual(['ITEM_NOT_FOUND', { sku: 'GHOST' }]);
  });

  test('for an item without a price in this currency', async () => {
    const error = await failureOf(quoteFor({ lines: [{ sku: 'BARE', quantity: 1n }] }));
    expect(error).toMatchObject({ code: Code.FailedPrecondition });
    expect([reasonOf(error), metadataOf(error)]).toEqual(['PRICE_NOT_FOUND', { sku: 'BARE', currency_code: 'EUR' }]);
    expect(await outcomeOf(quoteFor({ currencyCode: 'GBP' }))).toBe('PRICE_NOT_FOUND');
    expect(await outcomeOf(quoteFor({ currencyCode: 'ZZZ' }))).toBe('CURRENCY_UNSUPPORTED');
  });

  test('for a destination without a rate', async () => {
    const error = await failureOf(quoteFor({ destination: place('FR') }));
    expect([reasonOf(error), metadataOf(error).jurisdiction]).toEqual(['TAX_RATE_MISSING', 'FR']);
  });

  test('for prices on different bases', async () => {
    const lines = ['MUG', 'ODD'].map((sku) => ({ sku, quantity: 1n }));
    expect(await outcomeOf(quoteFor({ lines }))).toBe('TAX_BASIS_MIXED');
  });

  test('for money that nobody can owe, as a sum over lines of one SKU too', async () => {
    const line = { sku: 'DEAR', quantity: 500n };
    expect((await quoteFor({ lines: [line, line] })).total?.minorUnits).toBe(1_000_000_000_000_000n);
    for (const more of [
      { lines: [line, line, { sku: 'DEAR', quantity: 1n }] },
      { lines: [line, line], shippingCharge: charge(1n) },
      { lines: Array.from({ length: 100 }, () => ({ sku: 'DEAR', quantity: 1_000_000_000n })) },
    ]) {
      const error = await failureOf(quoteFor(more));
      expect(error).toMatchObject({ code: Code.OutOfRange });
      expect(reasonOf(error)).toBe('AMOUNT_OUT_OF_RANGE');
    }
  });

  test('for what makes no sense', async () => {
    const line = { sku: 'MUG', quantity: 1n };
    const { destination: _, ...nowhere } = aQuote();
    const requests = [
      aQuote({ lines: [] }),
      aQuote({ lines: Array.from({ length: 101 }, () => line) }),
      aQuote({ lines: [{ ...line, quantity: 0n }] }),
      aQuote({ lines: [{ ...line, quantity: -1n }] }),
      aQuote({ lines: [{ ...line, sku: 'MUG\0' }] }),
      aQuote({ requestId: '' }),
      aQuote({ destination: place('de') }),
      nowhere,
    ];
    for (const request of requests) {
      expect(await outcomeOf(pricing.quotes.createQuote(request))).toBe('INVALID_FIELD');
    }
  });
});

describe('trap 7: double submit', () => {
  test('the same request makes one quote and gets the same bytes, at once, later, and after it was accepted', async () => {
    const request = aQuote();
    const answers = await Promise.all(Array.from({ length: 8 }, () => pricing.quotes.createQuote(request)));
    const quoteId = answers[0]?.quote?.quoteId ?? '';
    await pricing.quotes.acceptQuote({ requestId: requestId(), quoteId, reference: 'order-1' });
    answers.push(await pricing.quotes.createQuote(request));
    const bytes = answers.map((answer) => Buffer.from(toBinary(CreateQuoteResponseSchema, answer)).toString('hex'));
    expect(new Set(bytes).size).toBe(1);
  });

  test('the same key with another body is an error; after a failure it may be used again', async () => {
    const request = aQuote();
    await pricing.quotes.createQuote(request);
    const other = pricing.quotes.createQuote({ ...request, lines: [{ sku: 'MUG', quantity: 3n }] });
    expect(await outcomeOf(other)).toBe('REQUEST_ID_REUSED');
    const refused = aQuote({ lines: [{ sku: 'BARE', quantity: 1n }] });
    expect(await outcomeOf(pricing.quotes.createQuote(refused))).toBe('PRICE_NOT_FOUND');
    await pricing.quotes.createQuote({ ...refused, lines: [{ sku: 'MUG', quantity: 1n }] });
  });
});
