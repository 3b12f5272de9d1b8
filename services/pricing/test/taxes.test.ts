// Tax rates: who changes one changes what he saw, no instant has two of them, and each instant keeps its own.

import { create, toBinary } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { CreateTaxRateResponseSchema, ListTaxRatesRequestSchema } from '@weft/gen/weft/pricing/v1/tax_service_pb.js';
import { sealPageToken } from '@weft/runtime/data/page';
import { fieldViolationsOf, metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requestId } from '../../../dev/src/testing/calls.ts';
import { aRate, at, outcomeOf, putRate, startPricing, type TestPricing } from './harness.ts';

let pricing: TestPricing;
beforeAll(async () => {
  pricing = await startPricing();
});
afterAll(() => pricing?.stop());

const rates = () => pricing.taxes;
const failureOf = (call: Promise<unknown>) => call.catch((error: unknown) => error);
type Update = Parameters<typeof pricing.taxes.updateTaxRate>[0];
const update = (taxRate: Update['taxRate'], ...paths: string[]) =>
  rates().updateTaxRate({
    requestId: requestId(),
    ...(taxRate === undefined ? {} : { taxRate }),
    updateMask: { paths },
  });
const ABSENT = '00000000-0000-4000-8000-000000000000';

describe('create and get', () => {
  test('gives the rate back as it was sent, with the id and etag that the server sets', async () => {
    const sent = aRate({
      jurisdiction: 'US-CA',
      taxCategory: 'food_2',
      ratePpm: 1_000_000,
      name: 'Sales tax “food” 🍏',
      startTime: at('0001-01-01T00:00:00Z'),
      endTime: at('9999-12-31T23:59:59.999Z'),
    });
    const taxRate = await putRate(pricing, { ...sent, taxRateId: ABSENT, etag: 'mine' });
    expect(taxRate).toEqual({ ...sent, taxRateId: taxRate.taxRateId, etag: taxRate.etag });
    expect(taxRate.taxRateId).toMatch(/^[0-9a-f-]{36}$/);
    expect([ABSENT, 'mine']).not.toContain(taxRate.taxRateId);
    expect(taxRate.etag).not.toBe('mine');
    expect((await rates().getTaxRate({ taxRateId: taxRate.taxRateId })).taxRate).toEqual(taxRate);
  });

  test.each<[string, Parameters<typeof aRate>[0]]>([
    ['jurisdiction', { jurisdiction: 'DEU' }],
    ['tax_category', { taxCategory: 'Standard' }],
    ['rate_ppm', { ratePpm: -1 }],
    ['rate_ppm', { ratePpm: 1_000_001 }],
    ['name', { name: '' }],
    ['start_time', { startTime: { seconds: 253_402_300_800n, nanos: 0 } }],
    ['end_time', { endTime: { seconds: 1n, nanos: -1 } }],
  ])('holds %s to its bounds', async (field, rate) => {
    const error = await failureOf(putRate(pricing, { jurisdiction: 'XB', ...rate }));
    expect(reasonOf(error)).toBe('INVALID_FIELD');
    expect(fieldViolationsOf(error).map((violation) => violation.field)).toEqual([`tax_rate.${field}`]);
  });

  test('a rate needs a start, and ends after it', async () => {
    const { startTime: _, ...endless } = aRate({ jurisdiction: 'XS' });
    expect(await outcomeOf(rates().createTaxRate({ requestId: requestId(), taxRate: endless }))).toBe('INVALID_FIELD');
    expect(await outcomeOf(rates().createTaxRate({ requestId: requestId() }))).toBe('INVALID_FIELD');
    for (const endTime of [at('2020-01-01T00:00:00Z'), at('2019-12-31T23:59:59.999Z')]) {
      expect(await outcomeOf(putRate(pricing, { jurisdiction: 'XS', endTime }))).toBe('TAX_INTERVAL_INVALID');
    }
  });

  test('an id that no rate has is told with the id', async () => {
    const error = await failureOf(rates().getTaxRate({ taxRateId: ABSENT }));
    expect(error).toMatchObject({ code: Code.NotFound });
    expect([reasonOf(error), metadataOf(error)]).toEqual(['TAX_RATE_NOT_FOUND', { tax_rate_id: ABSENT }]);
    expect(await outcomeOf(rates().getTaxRate({ taxRateId: 'nonsense' }))).toBe('INVALID_FIELD');
  });
});

describe('no instant has two rates', () => {
  const YEARS = { startTime: at('2021-01-01T00:00:00Z'), endTime: at('2022-01-01T00:00:00Z') };

  test.each([
    ['inside', 'OA', '2021-02-01T00:00:00Z', '2021-03-01T00:00:00Z'],
    ['around', 'OB', '2020-01-01T00:00:00Z', '2023-01-01T00:00:00Z'],
    ['across the start', 'OC', '2020-01-01T00:00:00Z', '2021-01-01T00:00:00.001Z'],
    ['across the end', 'OD', '2021-12-31T23:59:59.999Z', '2023-01-01T00:00:00Z'],
    ['without an end', 'OE', '2020-01-01T00:00:00Z', undefined],
  ])('one %s of another is refused, naming the other', async (_, jurisdiction, start, end) => {
    const other = await putRate(pricing, { jurisdiction, ...YEARS });
    const overlapping = { startTime: at(start), ...(end === undefined ? {} : { endTime: at(end) }) };
    const error = await failureOf(putRate(pricing, { jurisdiction, ...overlapping }));
    expect(error).toMatchObject({ code: Code.AlreadyExists });
    expect(reasonOf(error)).toBe('TAX_RATE_OVERLAPS');
    expect(metadataOf(error)).toMatchObject({ tax_rate_id: other.taxRateId, jurisdiction });
    // Of another place or category it is no overlap.
    await putRate(pricing, { jurisdiction, ...overlapping, taxCategory: 'food' });
  });

  test('intervals are half open: one begins at the instant at which another ends', async () => {
    const jurisdiction = 'HA';
    await putRate(pricing, { jurisdiction, ...YEARS });
    await putRate(pricing, { jurisdiction, startTime: YEARS.endTime });
    await putRate(pricing, { jurisdiction, startTime: at('1900-01-01T00:00:00Z'), endTime: YEARS.startTime });
  });

  test('of many who create one at once, one succeeds', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        outcomeOf(
          putRate(pricing, { jurisdiction: 'PC', ratePpm: index, startTime: { seconds: BigInt(index), nanos: 0 } }),
        ),
      ),
    );
    expect(outcomes.filter((reason) => reason === 'TAX_RATE_OVERLAPS')).toHaveLength(19);
    expect((await rates().listTaxRates({ jurisdiction: 'PC' })).taxRates).toHaveLength(1);
  });

  test('of two that are stretched into each other at once, one is', async () => {
    for (let turn = 0; turn < 10; turn += 1) {
      const jurisdiction = `PU-${turn}`;
      const early = await putRate(pricing, { jurisdiction, ...YEARS });
      const late = await putRate(pricing, { jurisdiction, startTime: at('2023-01-01T00:00:00Z') });
      const outcomes = await Promise.all([
        outcomeOf(update({ taxRateId: early.taxRateId, endTime: at('2022-09-01T00:00:00Z') }, 'end_time')),
        outcomeOf(update({ taxRateId: late.taxRateId, startTime: at('2022-03-01T00:00:00Z') }, 'start_time')),
      ]);
      expect(outcomes.filter((reason) => reason === 'TAX_RATE_OVERLAPS')).toHaveLength(1);
    }
  });

  test('a rate is no overlap of itself', async () => {
    const { taxRateId } = await putRate(pricing, { jurisdiction: 'SE', ...YEARS });
    const { taxRate } = await update({ taxRateId, startTime: at('2021-06-01T00:00:00Z') }, 'start_time', 'end_time');
    expect(taxRate).toMatchObject({ startTime: at('2021-06-01T00:00:00Z') });
    expect(taxRate?.endTime).toBeUndefined();
  });
});

describe('update', () => {
  test('changes what the mask names and nothing else', async () => {
    const before = await putRate(pricing, { jurisdiction: 'UA' });
    const { taxRate } = await update(
      { taxRateId: before.taxRateId, etag: before.etag, ratePpm: 160_000, name: 'not this' },
      'rate_ppm',
    );
    expect(taxRate).toEqual({ ...before, ratePpm: 160_000, etag: taxRate?.etag });
    expect(taxRate?.etag).not.toBe(before.etag);
    expect((await rates().getTaxRate({ taxRateId: before.taxRateId })).taxRate).toEqual(taxRate);
    const { taxRate: whole } = await update({ ...aRate({ name: 'Whole' }), taxRateId: before.taxRateId }, '*');
    // Where it holds and for what is no part of "everything that can be set".
    expect(whole).toMatchObject({ jurisdiction: 'UA', name: 'Whole', ratePpm: 190_000 });
  });

  test('of several who read the same etag, one succeeds', async () => {
    const { taxRateId, etag } = await putRate(pricing, { jurisdiction: 'UB' });
    const outcomes = await Promise.allSettled(
      [1, 2, 3, 4].map((ratePpm) => update({ taxRateId, etag, ratePpm }, 'rate_ppm')),
    );
    const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    expect(failures.map(reasonOf)).toEqual(['ETAG_MISMATCH', 'ETAG_MISMATCH', 'ETAG_MISMATCH']);
    expect(failures[0]).toMatchObject({ code: Code.Aborted });
    await update({ taxRateId, ratePpm: 5 }, 'rate_ppm');
  });

  test.each([
    [['colour']],
    [['etag']],
    [['jurisdiction']],
    [['rate_ppm', 'tax_category']],
    [['name.first']],
    [['start_time.minutes']],
    [[]],
    [['']],
  ])('the mask %j is refused', async (paths) => {
    const { taxRates } = await rates().listTaxRates({ pageSize: 1 });
    const call = update({ taxRateId: taxRates[0]?.taxRateId ?? '', jurisdiction: 'ZZ' }, ...paths);
    expect(await outcomeOf(call)).toBe('UPDATE_MASK_INVALID');
  });

  test('the rate that results is held to the bounds of a rate', async () => {
    const { taxRateId } = await putRate(pricing, { jurisdiction: 'UC' });
    const error = await failureOf(update({ taxRateId, ratePpm: -1 }, 'rate_ppm', 'name', 'start_time'));
    expect(reasonOf(error)).toBe('INVALID_FIELD');
    expect(fieldViolationsOf(error).map(({ field }) => field)).toEqual(
      ['rate_ppm', 'name', 'start_time'].map((field) => `tax_rate.${field}`),
    );
    const ended = update({ taxRateId, endTime: at('2020-01-01T00:00:00Z') }, 'end_time');
    expect(await outcomeOf(ended)).toBe('TAX_INTERVAL_INVALID');
  });

  test('an id that is none, or nobody’s, is told apart', async () => {
    expect(await outcomeOf(update({ taxRateId: ABSENT, name: 'x' }, 'name'))).toBe('TAX_RATE_NOT_FOUND');
    for (const taxRate of [undefined, { taxRateId: '' }, { taxRateId: 'a\0b' }]) {
      expect(await outcomeOf(update(taxRate, 'name'))).toBe('INVALID_FIELD');
    }
  });
});

describe('delete', () => {
  test('takes the rate away, once, and not if it was changed since', async () => {
    const { taxRateId, etag } = await putRate(pricing, { jurisdiction: 'DA' });
    const request = { requestId: requestId(), taxRateId };
    await update({ taxRateId, name: 'changed' }, 'name');
    const stale = await failureOf(rates().deleteTaxRate({ ...request, etag }));
    expect(stale).toMatchObject({ code: Code.Aborted });
    expect(reasonOf(stale)).toBe('ETAG_MISMATCH');
    await rates().deleteTaxRate(request);
    await rates().deleteTaxRate(request);
    expect(await outcomeOf(rates().getTaxRate({ taxRateId }))).toBe('TAX_RATE_NOT_FOUND');
    expect(await outcomeOf(rates().deleteTaxRate({ ...request, requestId: requestId() }))).toBe('TAX_RATE_NOT_FOUND');
    await putRate(pricing, { jurisdiction: 'DA' });
  });
});

test('trap 7: the same request has one effect and the same bytes, at once and later; another body is refused', async () => {
  const request = { requestId: requestId(), taxRate: aRate({ jurisdiction: 'ID' }) };
  const answers = await Promise.all(Array.from({ length: 6 }, () => rates().createTaxRate(request)));
  await update({ taxRateId: answers[0]?.taxRate?.taxRateId ?? '', name: 'other' }, 'name');
  answers.push(await rates().createTaxRate(request));
  const bytes = answers.map((answer) => Buffer.from(toBinary(CreateTaxRateResponseSchema, answer)).toString('hex'));
  expect(new Set(bytes).size).toBe(1);
  const other = rates().createTaxRate({ ...request, taxRate: aRate({ jurisdiction: 'IE' }) });
  expect(await outcomeOf(other)).toBe('REQUEST_ID_REUSED');
});

describe('pages', () => {
  test('show every rate once, by jurisdiction, category and start', async () => {
    const sent = ['PA', 'PA-X', 'PB'].flatMap((jurisdiction) =>
      ['books', 'food'].flatMap((taxCategory) => [
        { jurisdiction, taxCategory, startTime: at('1960-01-01T00:00:00Z'), endTime: at('1970-01-01T00:00:00Z') },
        { jurisdiction, taxCategory, startTime: at('1970-01-01T00:00:00Z') },
      ]),
    );
    for (const rate of sent.toReversed()) {
      await putRate(pricing, rate);
    }
    for (const pageSize of [1, 5, 200]) {
      const all = [];
      let pageToken = '';
      do {
        const page = await rates().listTaxRates({ pageSize, pageToken });
        all.push(...page.taxRates);
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      expect(new Set(all.map(({ taxRateId }) => taxRateId)).size).toBe(all.length);
      expect(all.filter(({ jurisdiction }) => /^P[AB]/.test(jurisdiction))).toMatchObject(sent);
    }
    expect((await rates().listTaxRates({ jurisdiction: 'PA' })).taxRates).toMatchObject(sent.slice(0, 4));
  });

  test('a token of another query, or forged, is refused', async () => {
    const { nextPageToken } = await rates().listTaxRates({ jurisdiction: 'PA', pageSize: 1 });
    const foreign = rates().listTaxRates({ jurisdiction: 'PB', pageToken: nextPageToken });
    expect(await outcomeOf(foreign)).toBe('PAGE_TOKEN_INVALID');
    const request = create(ListTaxRatesRequestSchema);
    const forge = (cursor: string) =>
      rates().listTaxRates({ pageToken: sealPageToken(ListTaxRatesRequestSchema, request, cursor) });
    for (const cursor of ['nonsense', '[]', '["DE","food","today"]', '["DE\\u0000","food","0"]']) {
      expect(await outcomeOf(forge(cursor))).toBe('PAGE_TOKEN_INVALID');
    }
    for (const place of [
      '["PB","food","999999999999999"]',
      '["PB","food","-999999999999999"]',
      '["\\ud83d","a","0"]',
    ]) {
      await forge(place);
    }
  });
});
