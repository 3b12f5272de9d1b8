/**
 * TaxService: what its RPCs are made of.
 */

import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { TaxRateSchema } from '@weft/gen/weft/pricing/v1/tax_rate_pb.js';
import {
  type CalculateTaxRequest,
  CreateTaxRateResponseSchema,
  DeleteTaxRateResponseSchema,
  ListTaxRatesRequestSchema,
  TaxService,
  UpdateTaxRateResponseSchema,
} from '@weft/gen/weft/pricing/v1/tax_service_pb.js';
import { AddressSchema } from '@weft/gen/weft/type/v1/address_pb.js';
import { mutate } from '@weft/runtime/data/mutation';
import { closePage, openPage } from '@weft/runtime/data/page';
import { fail } from '@weft/runtime/errors/fail';
import { money, requireCurrency } from '../currency.ts';
import type { Database } from '../database.ts';
import { instantOf } from '../instants.ts';
import { readTaxTable } from './applicable.ts';
import { summarize, taxAmount } from './calculate.ts';
import { listTaxRates, TAX_RATE_CURSOR, taxRateCursor } from './list.ts';
import { taxRateMessage, taxRateNotFound } from './tax-rate.ts';
import { createTaxRate, deleteTaxRate, updateTaxRate } from './write.ts';

const { method } = TaxService;

/** Makes the service on a database. */
export function taxService(database: Database): ServiceImpl<typeof TaxService> {
  const { pool, sql, prisma } = database;
  return {
    async calculateTax({ amounts, taxInclusive, destination = create(AddressSchema), asOfTime }) {
      const currencyCode = oneCurrency(amounts);
      const asOf = asOfTime === undefined ? undefined : instantOf(asOfTime, 'as_of_time');
      const table = await readTaxTable(sql, destination, asOf);
      const taxed = amounts.map(({ amount, taxCategory }) =>
        taxAmount(amount?.minorUnits ?? 0n, currencyCode, taxInclusive, table.rateOf(taxCategory)),
      );
      const tax = taxed.reduce((sum, one) => sum + (one.tax?.minorUnits ?? 0n), 0n);
      return { amounts: taxed, summaries: summarize(taxed, currencyCode), tax: money(tax, currencyCode) };
    },

    async getTaxRate({ taxRateId }) {
      const row = await prisma.taxRate.findFirst({ where: { taxRateId } });
      if (row === null) {
        throw taxRateNotFound(taxRateId);
      }
      return { taxRate: taxRateMessage(row) };
    },

    async listTaxRates(request) {
      const page = openPage(ListTaxRatesRequestSchema, request, TAX_RATE_CURSOR);
      const listed = await listTaxRates(database, request.jurisdiction, page.after, page.size + 1);
      const { entries, nextPageToken } = closePage(ListTaxRatesRequestSchema, request, page, listed, taxRateCursor);
      return { taxRates: entries.map(taxRateMessage), nextPageToken };
    },

    createTaxRate: (request) =>
      mutate(pool, method.createTaxRate, request, async (tx) => {
        const taxRate = await createTaxRate(database, tx, request.taxRate ?? create(TaxRateSchema));
        return create(CreateTaxRateResponseSchema, { taxRate });
      }),

    updateTaxRate: (request) =>
      mutate(pool, method.updateTaxRate, request, async (tx) =>
        create(UpdateTaxRateResponseSchema, { taxRate: await updateTaxRate(database, tx, request) }),
      ),

    deleteTaxRate: (request) =>
      mutate(pool, method.deleteTaxRate, request, async (tx) => {
        await deleteTaxRate(database, tx, request);
        return create(DeleteTaxRateResponseSchema);
      }),
  };
}

/** @throws CURRENCY_UNSUPPORTED */
function oneCurrency(amounts: CalculateTaxRequest['amounts']): string {
  const [code = '', ...others] = new Set(amounts.map(({ amount }) => amount?.currencyCode ?? ''));
  if (others.length > 0) {
    throw fail('CURRENCY_UNSUPPORTED', 'All amounts of a request have one currency.', {
      currency_codes: [code, ...others].join(' '),
    });
  }
  return requireCurrency(code);
}
