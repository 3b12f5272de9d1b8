/**
 * Tax rates in the database and in the contract.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type TaxRate, TaxRateSchema } from '@weft/gen/weft/pricing/v1/tax_rate_pb.js';
import { fail } from '@weft/runtime/errors/fail';
import type { MaskRules } from '@weft/runtime/update-mask';
import type { TaxRate as TaxRateRow } from '../../prisma/client/client.ts';
import { instantOf, SINCE_EVER } from '../instants.ts';

export type { TaxRateRow };

/** A rate says for ever where and of what it is; another place or category is another rate. */
export const FIXED_FIELDS: readonly string[] = ['jurisdiction', 'tax_category'];

export const TAX_RATE_MASK: MaskRules = { identifier: 'tax_rate_id', outputOnly: ['etag', ...FIXED_FIELDS] };

/** A row as the contract shows it. */
export function taxRateMessage(row: TaxRateRow): TaxRate {
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
 * What of a rate is stored: all but what the database sets itself.
 *
 * @throws TAX_INTERVAL_INVALID, INVALID_FIELD for a timestamp out of its range.
 */
export function taxRateData({ jurisdiction, taxCategory, ratePpm, name, ...rate }: TaxRate) {
  const startTime = rate.startTime === undefined ? SINCE_EVER : instantOf(rate.startTime, 'tax_rate.start_time');
  const endTime = rate.endTime === undefined ? null : instantOf(rate.endTime, 'tax_rate.end_time');
  if (endTime !== null && endTime <= startTime) {
    throw fail('TAX_INTERVAL_INVALID', 'The tax rate does not end after it starts.');
  }
  return { jurisdiction, taxCategory, ratePpm, name, startTime, endTime };
}

/** The error for an id that no rate has. */
export function taxRateNotFound(taxRateId: string) {
  return fail('TAX_RATE_NOT_FOUND', undefined, { tax_rate_id: taxRateId });
}
