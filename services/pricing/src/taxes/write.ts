/**
 * Creates, changes and deletes tax rates. Each is part of a transaction that `tx` names, and locks the price book first.
 */

import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { type TaxRate, TaxRateSchema } from '@weft/gen/weft/pricing/v1/tax_rate_pb.js';
import {
  CreateTaxRateRequestSchema,
  type DeleteTaxRateRequest,
  GetTaxRateRequestSchema,
  type UpdateTaxRateRequest,
} from '@weft/gen/weft/pricing/v1/tax_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { check } from '@weft/runtime/server/validate';
import { applyMask } from '@weft/runtime/update-mask';
import type { Database } from '../database.ts';
import { nextRevision } from '../price-book.ts';
import {
  FIXED_FIELDS,
  TAX_RATE_MASK,
  type TaxRateRow,
  taxRateData,
  taxRateMessage,
  taxRateNotFound,
} from './tax-rate.ts';

type Store = Pick<Database, 'prisma' | 'within'>;
type TaxRateData = ReturnType<typeof taxRateData>;

/** @throws TAX_RATE_OVERLAPS, TAX_INTERVAL_INVALID, INVALID_FIELD */
export async function createTaxRate({ prisma, within }: Store, tx: Sql, rate: TaxRate): Promise<TaxRate> {
  const data = taxRateData(rate);
  await nextRevision(tx);
  return within(tx, async () => {
    await refuseOverlap(prisma, data, undefined);
    return taxRateMessage(await prisma.taxRate.create({ data }));
  });
}

/** @throws TAX_RATE_NOT_FOUND, ETAG_MISMATCH, UPDATE_MASK_INVALID, TAX_RATE_OVERLAPS, TAX_INTERVAL_INVALID, INVALID_FIELD */
export async function updateTaxRate(
  { prisma, within }: Store,
  tx: Sql,
  request: UpdateTaxRateRequest,
): Promise<TaxRate> {
  const { requestId, updateMask, taxRate: patch = create(TaxRateSchema) } = request;
  const { taxRateId } = patch;
  check(GetTaxRateRequestSchema, create(GetTaxRateRequestSchema, { taxRateId }));
  const fixed = updateMask?.paths.find((path) => FIXED_FIELDS.includes(path));
  if (fixed !== undefined) {
    throw fail('UPDATE_MASK_INVALID', `${JSON.stringify(fixed)} of a rate never changes: create another`, {
      path: fixed,
    });
  }
  await nextRevision(tx);
  return within(tx, async () => {
    const current = taxRateMessage(await findCurrent(prisma, taxRateId, patch.etag));
    const taxRate = applyMask(TaxRateSchema, TAX_RATE_MASK, current, patch, updateMask);
    // The rules are those of a rate that is sent whole, and so are the names of fields in the error.
    check(CreateTaxRateRequestSchema, create(CreateTaxRateRequestSchema, { requestId, taxRate }));
    const data = taxRateData(taxRate);
    await refuseOverlap(prisma, data, current.taxRateId);
    const where = { taxRateId: current.taxRateId };
    return taxRateMessage(await prisma.taxRate.update({ where, data: { ...data, etag: randomUUID() } }));
  });
}

/** @throws TAX_RATE_NOT_FOUND, ETAG_MISMATCH */
export async function deleteTaxRate({ prisma, within }: Store, tx: Sql, request: DeleteTaxRateRequest): Promise<void> {
  await nextRevision(tx);
  await within(tx, async () => {
    const { taxRateId } = await findCurrent(prisma, request.taxRateId, request.etag);
    await prisma.taxRate.delete({ where: { taxRateId } });
  });
}

async function findCurrent(prisma: Store['prisma'], taxRateId: string, etag: string): Promise<TaxRateRow> {
  const row = await prisma.taxRate.findFirst({ where: { taxRateId } });
  if (row === null) {
    throw taxRateNotFound(taxRateId);
  }
  if (etag !== '' && etag !== row.etag) {
    throw fail('ETAG_MISMATCH', undefined, { tax_rate_id: row.taxRateId, etag: row.etag });
  }
  return row;
}

/**
 * Writers come one after the other, so what is looked at here cannot change before it is written; the constraint
 * tax_rates_no_overlap stands behind it.
 *
 * @param self the rate that is to be changed.
 * @throws TAX_RATE_OVERLAPS
 */
async function refuseOverlap(prisma: Store['prisma'], data: TaxRateData, self: string | undefined): Promise<void> {
  const { jurisdiction, taxCategory, startTime, endTime } = data;
  const other = await prisma.taxRate.findFirst({
    where: {
      jurisdiction,
      taxCategory,
      OR: [{ endTime: null }, { endTime: { gt: startTime } }],
      ...(endTime === null ? {} : { startTime: { lt: endTime } }),
      ...(self === undefined ? {} : { taxRateId: { not: self } }),
    },
    orderBy: { startTime: 'asc' },
  });
  if (other !== null) {
    throw fail('TAX_RATE_OVERLAPS', undefined, {
      tax_rate_id: other.taxRateId,
      jurisdiction,
      tax_category: taxCategory,
    });
  }
}
