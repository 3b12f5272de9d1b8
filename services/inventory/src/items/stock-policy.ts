/**
 * Which fields of an item on kits, lots and being out of stock go together: each promises something about its stock that another
 * may make impossible to keep.
 */

import { type Item, OutOfStockPolicy } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { fail } from '@weft/runtime/errors/fail';

/** A field at fault, and why. */
type Contradiction = readonly [field: string, description: string];

/** @throws STOCK_POLICY_INVALID that names the first field at fault. */
export function checkStockPolicy(item: Item): void {
  const found = contradictionOf(item);
  if (found !== undefined) {
    const [name, description] = found;
    const field = `item.${name}`;
    throw fail(
      'STOCK_POLICY_INVALID',
      `${field}: ${description}`,
      { field },
      { fieldViolations: [{ field, description }] },
    );
  }
}

function contradictionOf(item: Item): Contradiction | undefined {
  const { outOfStockPolicy, backorderLimit, releaseTime, lotTracked } = item;
  const isKit = item.components.length > 0;
  const preorder = outOfStockPolicy === OutOfStockPolicy.PREORDER;
  const promises = preorder || outOfStockPolicy === OutOfStockPolicy.BACKORDER;
  if (isKit && lotTracked) {
    return ['lot_tracked', 'a kit has no stock that could be kept by lot; its components may'];
  }
  if (isKit && promises) {
    return [
      'out_of_stock_policy',
      'a kit has no stock that could be backordered; it is sold while its components last',
    ];
  }
  if (lotTracked && promises) {
    return [
      'out_of_stock_policy',
      'units that have not come in have no lot yet, so what is kept by lot is not promised',
    ];
  }
  if (promises && backorderLimit === 0n) {
    return ['backorder_limit', 'must be at least 1 with BACKORDER and PREORDER'];
  }
  if (!promises && backorderLimit !== 0n) {
    return ['backorder_limit', 'must be 0 unless the policy is BACKORDER or PREORDER'];
  }
  if (preorder && releaseTime === undefined) {
    return ['release_time', 'must be set with PREORDER'];
  }
  if (!preorder && releaseTime !== undefined) {
    return ['release_time', 'must be absent unless the policy is PREORDER'];
  }
  return undefined;
}
