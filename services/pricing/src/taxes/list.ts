/**
 * Lists tax rates by jurisdiction, category and start, a page at a time.
 */

import { CURSOR } from '@weft/runtime/data/page';
import type { Database } from '../database.ts';
import { INSTANT_CURSOR, instantOfCursor } from '../instants.ts';
import type { TaxRateRow } from './tax-rate.ts';

/** What a cursor is made of: jurisdiction, category, start. */
export const TAX_RATE_CURSOR = [CURSOR.text, CURSOR.text, INSTANT_CURSOR] as const;

/** The cursor of a rate. No two have the same, since no two apply at the same time. */
export function taxRateCursor({ jurisdiction, taxCategory, startTime }: TaxRateRow): readonly string[] {
  return [jurisdiction, taxCategory, `${startTime.getTime()}`];
}

/**
 * Up to `limit` rates after a cursor; from the first one without.
 *
 * @param jurisdiction empty means all.
 */
export function listTaxRates(
  { prisma }: Pick<Database, 'prisma'>,
  jurisdiction: string,
  after: readonly string[] | undefined,
  limit: number,
): Promise<TaxRateRow[]> {
  return prisma.taxRate.findMany({
    where: { AND: [jurisdiction === '' ? {} : { jurisdiction }, after === undefined ? {} : behind(after)] },
    orderBy: [{ jurisdiction: 'asc' }, { taxCategory: 'asc' }, { startTime: 'asc' }],
    take: limit,
  });
}

/** What the order of the list puts after a cursor. */
function behind([jurisdiction = '', taxCategory = '', start = '']: readonly string[]) {
  const startTime = instantOfCursor(start);
  return {
    OR: [
      { jurisdiction: { gt: jurisdiction } },
      { jurisdiction, taxCategory: { gt: taxCategory } },
      { jurisdiction, taxCategory, startTime: { gt: startTime } },
    ],
  };
}
