/**
 * Tax rates in the database and in the contract.
 */

import { create } from '@bufbuild/protobuf';
import { timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type TaxRate, TaxRateSchema } from '@weft/gen/weft/pricing/v1/tax_rate_pb.js';
import { codeOf } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import type { TaxRate as TaxRateRow } from '../../prisma/client/client.ts';

/** A row as the contract shows it. */
export function toTaxRate(row: TaxRateRow): TaxRate {
  return create(TaxRateSchema, {
    taxRateId: row.taxRateId,
    jurisdiction: row.jurisdiction,
    taxCategory: row.taxCategory,
    ratePpm: row.ratePpm,
    name: row.name,
    startTime: timestampFromDate(row.startTime),
    ...(row.endTime === null ? {} : { endTime: timestampFromDate(row.endTime) }),
    etag: row.etag,
  });
}

/**
 * The columns of a valid rate of the contract.
 *
 * @throws TAX_INTERVAL_INVALID
 */
export function toColumns(rate: TaxRate) {
  const startTime = rate.startTime === undefined ? new Date(0) : timestampDate(rate.startTime);
  const endTime = rate.endTime === undefined ? null : timestampDate(rate.endTime);
  if (endTime !== null && endTime <= startTime) {
    throw fail('TAX_INTERVAL_INVALID');
  }
  const { jurisdiction, taxCategory, ratePpm, name } = rate;
  return { jurisdiction, taxCategory, ratePpm, name, startTime, endTime };
}

/** The constraint that keeps rates of a jurisdiction and category apart in time. */
const NO_OVERLAP = 'tax_rates_no_overlap';

/** The typed error for a write that the database refused. */
export function refusal(error: unknown, { jurisdiction, taxCategory }: TaxRate): unknown {
  const text = error instanceof Error ? `${codeOf(error)} ${error.message} ${JSON.stringify(error)}` : '';
  return text.includes(NO_OVERLAP)
    ? fail('TAX_RATE_OVERLAPS', undefined, { jurisdiction, tax_category: taxCategory })
    : error;
}
