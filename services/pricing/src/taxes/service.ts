/**
 * TaxService.
 */

import { create } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { type TaxRate, TaxRateSchema } from '@weft/gen/weft/pricing/v1/tax_rate_pb.js';
import {
  CalculateTaxResponseSchema,
  CreateTaxRateResponseSchema,
  DeleteTaxRateResponseSchema,
  GetTaxRateResponseSchema,
  ListTaxRatesRequestSchema,
  ListTaxRatesResponseSchema,
  TaxService,
  UpdateTaxRateResponseSchema,
} from '@weft/gen/weft/pricing/v1/tax_service_pb.js';
import { mutate } from '@weft/runtime/data/mutation';
import { CURSOR, closePage, openPage } from '@weft/runtime/data/page';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { check } from '@weft/runtime/server/validate';
import { applyMask } from '@weft/runtime/update-mask';
import type { TaxRate as TaxRateRow } from '../../prisma/client/client.ts';
import { nextRevision } from '../changes.ts';
import { requireCurrency } from '../currency.ts';
import type { Database } from '../database.ts';
import { money, summarize, taxAmount } from './calculate.ts';
import { refusal, toColumns, toTaxRate } from './rates.ts';
import { readTaxTable } from './table.ts';

/** A rate says for ever where and of what it is; another place or category is another rate. */
const MASK_RULES = { identifier: 'tax_rate_id', outputOnly: ['etag', 'jurisdiction', 'tax_category'] } as const;

/** Implements TaxService on pricing's database. */
export function taxService({ pool, prisma, within }: Database): ServiceImpl<typeof TaxService> {
  const find = async (taxRateId: string): Promise<TaxRateRow> => {
    const row = await prisma.taxRate.findUnique({ where: { taxRateId } });
    if (row === null) {
      throw fail('TAX_RATE_NOT_FOUND', undefined, { tax_rate_id: taxRateId });
    }
    return row;
  };

  /** Locks the rate for the transaction, and compares its etag with what the caller saw. */
  const hold = async (tx: Sql, taxRateId: string, etag: string): Promise<TaxRateRow> => {
    await tx.query('SELECT FROM tax_rates WHERE tax_rate_id = $1 FOR UPDATE', [taxRateId]);
    const row = await within(tx, () => find(taxRateId));
    if (etag !== '' && etag !== row.etag) {
      throw fail('ETAG_MISMATCH', undefined, { etag: row.etag });
    }
    return row;
  };

  return {
    async calculateTax({ amounts, taxInclusive, destination, asOfTime }) {
      const currencyCode = requireCurrency(oneCurrency(amounts.map(({ amount }) => amount?.currencyCode ?? '')));
      const place = { countryCode: destination?.countryCode ?? '', regionCode: destination?.regionCode ?? '' };
      const table = await readTaxTable(pool, place, asOfTime === undefined ? undefined : timestampDate(asOfTime));
      const taxed = amounts.map(({ amount, taxCategory }) =>
        taxAmount(amount?.minorUnits ?? 0n, currencyCode, taxInclusive, table.rateOf(taxCategory)),
      );
      const tax = taxed.reduce((sum, one) => sum + (one.tax?.minorUnits ?? 0n), 0n);
      return create(CalculateTaxResponseSchema, {
        amounts: taxed,
        summaries: summarize(taxed, currencyCode),
        tax: money(tax, currencyCode),
      });
    },

    async getTaxRate({ taxRateId }) {
      return create(GetTaxRateResponseSchema, { taxRate: toTaxRate(await find(taxRateId)) });
    },

    async listTaxRates(request) {
      const page = openPage(ListTaxRatesRequestSchema, request, [CURSOR.uuid]);
      const [taxRateId] = page.after ?? [];
      const rows = await prisma.taxRate.findMany({
        where: request.jurisdiction === '' ? {} : { jurisdiction: request.jurisdiction },
        orderBy: [{ jurisdiction: 'asc' }, { taxCategory: 'asc' }, { startTime: 'asc' }, { taxRateId: 'asc' }],
        take: page.size + 1,
        ...(taxRateId === undefined ? {} : { cursor: { taxRateId }, skip: 1 }),
      });
      const { entries, nextPageToken } = closePage(ListTaxRatesRequestSchema, request, page, rows, (row) => [
        row.taxRateId,
      ]);
      return create(ListTaxRatesResponseSchema, { taxRates: entries.map(toTaxRate), nextPageToken });
    },

    createTaxRate(request) {
      return mutate(pool, TaxService.method.createTaxRate, request, async (tx) => {
        const rate = request.taxRate ?? create(TaxRateSchema);
        const data = toColumns(rate);
        await nextRevision(tx);
        const row = await refusing(rate, () => within(tx, () => prisma.taxRate.create({ data })));
        return create(CreateTaxRateResponseSchema, { taxRate: toTaxRate(row) });
      });
    },

    updateTaxRate(request) {
      return mutate(pool, TaxService.method.updateTaxRate, request, async (tx) => {
        const patch = request.taxRate ?? create(TaxRateSchema);
        const current = toTaxRate(await hold(tx, requireId(patch.taxRateId), patch.etag));
        const rate = applyMask(TaxRateSchema, MASK_RULES, current, patch, request.updateMask);
        check(TaxRateSchema, rate);
        const { taxRateId } = current;
        const data = { ...toColumns(rate), etag: await newEtag(tx) };
        await nextRevision(tx);
        const row = await refusing(rate, () => within(tx, () => prisma.taxRate.update({ where: { taxRateId }, data })));
        return create(UpdateTaxRateResponseSchema, { taxRate: toTaxRate(row) });
      });
    },

    deleteTaxRate(request) {
      return mutate(pool, TaxService.method.deleteTaxRate, request, async (tx) => {
        const { taxRateId } = await hold(tx, request.taxRateId, request.etag);
        await nextRevision(tx);
        await within(tx, () => prisma.taxRate.delete({ where: { taxRateId } }));
        return create(DeleteTaxRateResponseSchema);
      });
    },
  };
}

async function refusing<T>(rate: TaxRate, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw refusal(error, rate);
  }
}

async function newEtag(tx: Sql): Promise<string> {
  const { rows } = await tx.query<{ etag: string }>('SELECT uuidv7()::text AS etag');
  return rows[0]?.etag ?? '';
}

const UUID = /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/;

/** The patch of an update is not validated as a whole, so its id is looked at here. */
function requireId(taxRateId: string): string {
  if (!UUID.test(taxRateId)) {
    const description = 'must be a valid UUID';
    const fieldViolations = [{ field: 'tax_rate.tax_rate_id', description, reason: 'string.uuid' }];
    throw fail('INVALID_FIELD', `tax_rate.tax_rate_id: ${description}`, {}, { fieldViolations });
  }
  return taxRateId;
}

function oneCurrency(codes: readonly string[]): string {
  const [code = '', ...others] = new Set(codes);
  if (others.length > 0) {
    throw fail('CURRENCY_UNSUPPORTED', 'All amounts of a request have one currency.');
  }
  return code;
}
