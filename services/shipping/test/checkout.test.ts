// CheckoutService: from a basket to one binding offer, with the real inventory and the real pricing.

import { toBinary } from '@bufbuild/protobuf';
import { Code, type ConnectError } from '@connectrpc/connect';
import { PrepareCheckoutResponseSchema } from '@weft/gen/weft/shipping/v1/checkout_service_pb.js';
import { metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { failure } from '../../../dev/src/testing/calls.ts';
import { aCheckout, type Customer, customer } from './customer.ts';
import { importTariffs, openShop, type Shop } from './shop.ts';

let shop: Shop;
let ada: Customer;
let stranger: Customer;

beforeAll(async () => {
  shop = await openShop();
  const { address } = await shop.replica();
  await importTariffs(address);
  ada = customer(address, 'ada');
  stranger = customer(address);
});
afterEach(() => shop.crossing.mend());
afterAll(() => shop?.close());

describe('the offer', () => {
  test('holds goods, shipping and tax, and adds up', async () => {
    const { quote, packages, rates, rateId } = await ada.prepare();
    expect(packages).toMatchObject([
      { number: 1, originLocationId: 'berlin', cartonId: 's', contents: [{ sku: 'MUG', quantity: 2n }] },
    ]);
    expect(rates.map(({ serviceId, charge }) => [serviceId, charge?.minorUnits])).toEqual([
      ['standard', 499n],
      ['express', 1_499n],
    ]);
    expect(rateId).toBe(rates[0]?.rateId);
    expect(quote).toMatchObject({
      customerId: 'ada',
      lines: [{ sku: 'MUG', quantity: 2n }],
      shipping: { rateId, amount: { gross: { minorUnits: 499n } } },
      total: { currencyCode: 'EUR', minorUnits: 2n * 1_190n + 499n },
    });
  });

  test('takes the service that is asked for', async () => {
    const { quote } = await ada.prepare((request) => {
      request.carrierId = 'alpenpost';
      request.serviceId = 'express';
    });
    expect(quote?.shipping?.amount?.gross?.minorUnits).toBe(1_499n);
    const missing = await failure(ada.prepare((request) => Object.assign(request, { serviceId: 'rocket' })));
    expect(reasonOf(missing)).toBe('NO_SHIPPING_RATE');
  });

  test('splits what no single warehouse has, and charges from where each package starts', async () => {
    await shop.stock('POT', 'berlin', 1);
    await shop.stock('POT', 'london', 1);
    const { packages, rates } = await ada.prepare((request) => {
      request.lines = aCheckout(({ lines }) => lines.push(...lines)).lines.map((line) => ({
        ...line,
        sku: 'POT',
        quantity: 1n,
      }));
    });
    expect(packages).toMatchObject([
      { number: 1, originLocationId: 'berlin', contents: [{ sku: 'POT', quantity: 1n }] },
      { number: 2, originLocationId: 'london', contents: [{ sku: 'POT', quantity: 1n }] },
    ]);
    expect(rates.map(({ charge }) => charge?.minorUnits)).toEqual([999n + 1_999n]);
    await shop.stock('POT', 'berlin', 1_000);
    await shop.stock('POT', 'london', 1_000);
  });

  test('is for anyone when nobody has signed in', async () => {
    expect((await stranger.prepare()).quote?.customerId).toBe('');
  });
});

describe('the same request', () => {
  test('gets the same bytes, one after the other and all at once', async () => {
    const request = aCheckout();
    const [first, ...others] = await Promise.all(
      Array.from({ length: 8 }, () => ada.checkouts.prepareCheckout(request)),
    );
    others.push(await ada.checkouts.prepareCheckout(request));
    for (const other of others) {
      expect(toBinary(PrepareCheckoutResponseSchema, other)).toEqual(
        toBinary(PrepareCheckoutResponseSchema, first ?? expect.unreachable()),
      );
    }
  });

  test('with another body is refused', async () => {
    const request = aCheckout();
    await ada.checkouts.prepareCheckout(request);
    request.carrierId = 'alpenpost';
    expect(reasonOf(await failure(ada.checkouts.prepareCheckout(request)))).toBe('REQUEST_ID_REUSED');
  });

  test('after a failure is tried anew', async () => {
    const request = aCheckout();
    shop.crossing.fail('weft.pricing.v1.QuoteService/CreateQuote', 'answer');
    expect(reasonOf(await failure(ada.checkouts.prepareCheckout(request)))).toBe('UNREACHABLE');
    shop.crossing.mend();
    expect((await ada.checkouts.prepareCheckout(request)).quote?.total?.minorUnits).toBe(2_879n);
  });

  test('of another customer is another request', async () => {
    const request = aCheckout();
    const mine = await ada.checkouts.prepareCheckout(request);
    const theirs = await stranger.checkouts.prepareCheckout(request);
    expect(theirs.quote?.quoteId).not.toBe(mine.quote?.quoteId);
  });
});

describe('refusals', () => {
  test('of others are passed on with their reason and facts', async () => {
    const unknown = await failure(ada.prepare(({ lines: [line] }) => Object.assign(line ?? {}, { sku: 'NOPE' })));
    expect([reasonOf(unknown), metadataOf(unknown).sku]).toEqual(['ITEM_NOT_FOUND', 'NOPE']);
    const short = await failure(ada.prepare(({ lines: [line] }) => Object.assign(line ?? {}, { quantity: 2_001n })));
    expect(reasonOf(short)).toBe('INSUFFICIENT_STOCK');
    expect(metadataOf(short)).toMatchObject({ sku: 'MUG', requested: '2001', available: '2000' });
    const untaxed = await failure(
      ada.prepare((request) => {
        request.destination = { ...aCheckout().destination, countryCode: 'GB' } as typeof request.destination;
      }),
    );
    expect(reasonOf(untaxed)).toBe('NO_SHIPPING_RATE');
  });

  test('of unusable input name what is wrong', async () => {
    const noStreet = await failure(ada.prepare(({ destination }) => Object.assign(destination ?? {}, { lines: [] })));
    expect([reasonOf(noStreet), metadataOf(noStreet).field]).toEqual(['ADDRESS_INCOMPLETE', 'lines']);
    const currency = await failure(ada.prepare((request) => Object.assign(request, { currencyCode: 'XXX' })));
    expect(reasonOf(currency)).toBe('CURRENCY_UNSUPPORTED');
    const yen = await failure(ada.prepare((request) => Object.assign(request, { currencyCode: 'JPY' })));
    expect(reasonOf(yen)).toBe('NO_SHIPPING_RATE');
    const many = await failure(
      ada.prepare(({ lines: [line] }) => Object.assign(line ?? {}, { sku: 'POLE', quantity: 201n })),
    );
    expect(reasonOf(many)).toBe('TOO_MANY_PACKAGES');
    const nothing = await failure(ada.prepare(({ lines }) => lines.pop()));
    expect(reasonOf(nothing)).toBe('INVALID_FIELD');
  });

  test('a workload that is away is told as such', async () => {
    for (const rpc of ['weft.inventory.v1.ItemService/BatchGetItems', 'weft.pricing.v1.QuoteService/CreateQuote']) {
      shop.crossing.fail(rpc, 'request');
      const away = await failure(ada.prepare());
      expect([reasonOf(away), (away as ConnectError).code]).toEqual(['UNREACHABLE', Code.Unavailable]);
      shop.crossing.mend();
    }
  });
});
