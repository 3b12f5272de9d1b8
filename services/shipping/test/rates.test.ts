// RateService: tables come in whole or not at all, and rates are what the tables say.

import { create } from '@bufbuild/protobuf';
import { type Client, createClient } from '@connectrpc/connect';
import {
  type ImportRateTableRequest,
  ImportRateTableRequestSchema,
  RateService,
} from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { MoneySchema } from '@weft/gen/weft/type/v1/money_pb.js';
import { metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, requestId, transportAs } from '../../../dev/src/testing/calls.ts';
import { importTariffs, openShop, type Shop } from './shop.ts';
import { alpenpost, carton, step, zone } from './tariffs.ts';

type Chunk = Partial<Omit<ImportRateTableRequest, '$typeName' | '$unknown'>>;

let shop: Shop;
let rates: Client<typeof RateService>;
let keeper: Client<typeof RateService>;

beforeAll(async () => {
  shop = await openShop();
  const { address } = await shop.replica();
  rates = createClient(RateService, transportAs(address));
  keeper = createClient(RateService, transportAs(address, { subject: 'keeper', scopes: 'shipping:write' }));
  await importTariffs(address);
});
afterAll(() => shop?.close());

/** Imports some chunks; each names the request and the carrier unless it says otherwise. */
function importing(chunks: Chunk[], ids: { requestId?: string; carrierId?: string } = {}) {
  const names = { requestId: requestId(), carrierId: 'testpost', ...ids };
  return keeper.importRateTable(
    (async function* () {
      for (const chunk of chunks) {
        yield create(ImportRateTableRequestSchema, { ...names, ...chunk });
      }
    })(),
  );
}

const destination = { countryCode: 'DE', postalCode: '10115' };
const box = (weightGrams: bigint, originCountryCode = 'DE') => ({
  originCountryCode,
  weightGrams,
  dimensions: { lengthMm: 300, widthMm: 200, heightMm: 150 },
});

async function charges(packages: ReturnType<typeof box>[], postalCode = '10115', currencyCode = 'EUR') {
  const { rates: list } = await rates.listRates({
    packages,
    destination: { countryCode: 'DE', postalCode },
    currencyCode,
  });
  return list.map(({ serviceId, charge }) => [serviceId, charge?.minorUnits]);
}

describe('ListRates', () => {
  test('ranks what the services ask, cheapest first', async () => {
    expect(await charges([box(500n)])).toEqual([
      ['standard', 499n],
      ['express', 1_499n],
    ]);
  });

  test('counts size where the service counts it', async () => {
    // 400 x 300 x 200 mm by 5,000 are 4.8 kg: the heavier step, although it weighs 500 g.
    const bulky = { ...box(500n), dimensions: { lengthMm: 200, widthMm: 400, heightMm: 300 } };
    expect(await charges([bulky])).toEqual([
      ['standard', 999n],
      ['express', 1_499n],
    ]);
  });

  test('adds up over packages, and leaves a service out that does not carry one of them', async () => {
    expect(await charges([box(500n), box(3_000n)])).toEqual([
      ['standard', 1_498n],
      ['express', 2_998n],
    ]);
    expect(await charges([box(500n), box(500n, 'GB')])).toEqual([['standard', 2_498n]]);
  });

  test('takes the zone of the longest postal prefix, however the code is written', async () => {
    for (const [postalCode, express] of [
      ['26133', 1_499n],
      ['27570', 2_999n],
      ['27 498', 4_999n],
      ['2-7-4-9-8', 4_999n],
    ] as const) {
      expect(await charges([box(500n)], postalCode)).toContainEqual(['express', express]);
    }
  });

  test('says until when a rate is good: half an hour', async () => {
    const {
      rates: [rate],
    } = await rates.listRates({ packages: [box(500n)], destination, currencyCode: 'EUR' });
    const seconds = Number(rate?.expireTime?.seconds) - Date.now() / 1_000;
    expect(seconds).toBeGreaterThan(25 * 60);
    expect(seconds).toBeLessThan(31 * 60);
  });

  test('is refused where nobody carries it, or not for this currency, or not this much', async () => {
    for (const query of [
      { packages: [box(500n, 'JP')], destination, currencyCode: 'EUR' },
      { packages: [box(500n)], destination, currencyCode: 'JPY' },
      { packages: [box(31_501n)], destination, currencyCode: 'EUR' },
      { packages: [box(500n)], destination: { countryCode: 'FR' }, currencyCode: 'EUR' },
    ]) {
      expect(reasonOf(await failure(rates.listRates(query)))).toBe('NO_SHIPPING_RATE');
    }
  });
});

describe('PlanPackages', () => {
  test('packs what inventory says the items measure', async () => {
    const { packages } = await rates.planPackages({
      lines: [
        { sku: 'MUG', quantity: 1n },
        { sku: 'POLE', quantity: 1n },
        { sku: 'MUG', quantity: 1n },
      ],
    });
    expect(packages).toMatchObject([
      { number: 1, cartonId: 's', weightGrams: 860n, contents: [{ sku: 'MUG', quantity: 2n }] },
      { number: 2, cartonId: '', weightGrams: 900n, contents: [{ sku: 'POLE', quantity: 1n }] },
    ]);
  });

  test('refuses unknown items and too many packages', async () => {
    const unknown = await failure(rates.planPackages({ lines: [{ sku: 'NOPE', quantity: 1n }] }));
    expect(reasonOf(unknown)).toBe('ITEM_NOT_FOUND');
    const many = await failure(rates.planPackages({ lines: [{ sku: 'POLE', quantity: 201n }] }));
    expect(reasonOf(many)).toBe('TOO_MANY_PACKAGES');
    const most = await failure(
      rates.planPackages({ lines: Array.from({ length: 100 }, () => ({ sku: 'POT', quantity: 10_000n })) }),
    );
    expect(reasonOf(most)).toBe('TOO_MANY_PACKAGES');
  });
});

describe('ImportRateTable', () => {
  const table = { services: alpenpost.services, zones: alpenpost.zones, rates: alpenpost.rates };

  test('a table may come in any number of chunks, and a repetition gets the first response', async () => {
    const id = requestId();
    const whole = await importing([table], { requestId: id, carrierId: 'chunky' });
    expect(whole).toMatchObject({ serviceCount: 2, zoneCount: 5, rateCount: 6, cartonCount: 0 });
    const cut = [{ services: table.services }, { zones: table.zones }, {}, { rates: table.rates }];
    expect(await importing(cut, { requestId: id, carrierId: 'chunky' })).toEqual(whole);
    const other = await failure(importing([{ ...table, zones: [] }], { requestId: id, carrierId: 'chunky' }));
    expect(reasonOf(other)).toBe('REQUEST_ID_REUSED');
    await importing([{}], { carrierId: 'chunky' });
  });

  test('a table replaces the one before, and only its carrier', async () => {
    const zones = [zone('standard', 'z', 'DE')];
    await importing([{ services: table.services, zones, rates: [step('standard', 'z', 2_000n, 1n)] }]);
    expect(await charges([box(500n)])).toEqual([
      ['standard', 1n],
      ['standard', 499n],
      ['express', 1_499n],
    ]);
    await importing([{}]);
    expect(await charges([box(500n)])).toEqual([
      ['standard', 499n],
      ['express', 1_499n],
    ]);
  });

  test('rows that contradict each other change nothing, and the first is named', async () => {
    const { services, zones, rates: steps } = table;
    const late = services.map((row) => ({ ...row, minTransitDays: 9 }));
    const foreign = { ...step('standard', 'home', 1n, 1n), price: create(MoneySchema, { currencyCode: 'XXX' }) };
    const broken: [string, Chunk][] = [
      ['services[2]', { services: [...services, ...services], zones, rates: steps }],
      ['services[0]', { services: late, zones, rates: steps }],
      ['zones[5]', { services, zones: [...zones, zone('standard', 'other', 'DE')], rates: steps }],
      ['zones[5]', { services, zones: [...zones, zone('express', 'far', 'DE', '27498')], rates: steps }],
      ['zones[0]', { services, zones: [zone('unknown', 'home', 'DE')] }],
      ['rates[0]', { services, zones, rates: [step('unknown', 'home', 1n, 1n)] }],
      ['rates[6]', { services, zones, rates: [...steps, step('standard', 'unknown', 1n, 1n)] }],
      ['rates[6]', { services, zones, rates: [...steps, step('standard', 'home', 2_000n, 1n)] }],
      ['rates[0]', { services, zones, rates: [foreign] }],
    ];
    for (const [row, chunk] of broken) {
      const error = await failure(importing([chunk], { carrierId: 'alpenpost' }));
      expect(reasonOf(error), row).toBe('RATE_TABLE_INVALID');
      expect(metadataOf(error).row).toBe(row);
    }
    expect(await charges([box(500n)])).toEqual([
      ['standard', 499n],
      ['express', 1_499n],
    ]);
  });

  test('chunks of different requests or carriers, and no chunk at all, are refused', async () => {
    const strays: Chunk[][] = [[{}, { requestId: requestId() }], [{}, { carrierId: 'other' }], []];
    for (const chunks of strays) {
      expect(reasonOf(await failure(importing(chunks)))).toBe('IMPORT_CHUNK_INVALID');
    }
  });

  test('rows out of bounds are refused by their field', async () => {
    const negative = { rates: [step('standard', 'home', 1n, -1n)] };
    expect(reasonOf(await failure(importing([negative])))).toBe('INVALID_FIELD');
    const control = { services: table.services.map((row) => ({ ...row, name: 'a\u0000b' })) };
    expect(reasonOf(await failure(importing([control])))).toBe('INVALID_FIELD');
  });

  test('imports of the same cartons at once do not block each other', async () => {
    const many = Array.from({ length: 40 }, (_, at) => carton(`c${at}`, [10, 10, 10], 1n, 1n));
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, at) =>
        importing([{ cartons: at % 2 === 0 ? many : [...many].reverse() }], { carrierId: `carrier-${at}` }),
      ),
    );
    expect(all.map(({ cartonCount }) => cartonCount)).toEqual(all.map(() => 40));
    await shop.pools.shipping.query(`DELETE FROM cartons WHERE carton_id LIKE 'c%'`);
  });
});
