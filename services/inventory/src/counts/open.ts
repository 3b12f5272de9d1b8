/**
 * Opens counts.
 */

import type { Count, CreateCountRequest } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { itemNotFound } from '../items/item.ts';
import { locationNotFound } from '../locations/location.ts';
import { holdItems, holdLocations } from '../stock/references.ts';
import { readCount } from './count.ts';

/**
 * What lies at a location that is out of use can be counted too: people must be able to clear it.
 *
 * @throws ITEM_NOT_FOUND, LOCATION_NOT_FOUND, KIT_HAS_NO_STOCK
 */
export async function openCount(tx: Sql, { locationId, skus, reference }: CreateCountRequest): Promise<Count> {
  const items = await holdItems(tx, skus);
  for (const sku of skus) {
    const item = items.get(sku);
    if (item === undefined) {
      throw itemNotFound(sku);
    }
    if (item.isKit) {
      throw fail('KIT_HAS_NO_STOCK', `${sku} is a kit: its components have stock`, { sku });
    }
  }
  if (!(await holdLocations(tx, [locationId])).has(locationId)) {
    throw locationNotFound(locationId);
  }
  const { rows } = await tx.query<{ count_id: string }>({
    name: 'count_open',
    text: 'INSERT INTO counts (state, location_id, skus, reference) VALUES (1, $1, $2::text[], $3) RETURNING count_id',
    values: [locationId, skus.toSorted(), reference],
  });
  return readCount(tx, rows[0]?.count_id ?? '');
}
