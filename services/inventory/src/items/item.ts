/**
 * Items as rows of the database and as messages of the contract.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Item, ItemSchema, OutOfStockPolicy } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { fail } from '@weft/runtime/errors/fail';
import type { MaskRules } from '@weft/runtime/update-mask';
import { isGtin } from '@weft/values/gtin';
import type { Item as StoredItem } from '../../prisma/client/client.ts';
import { instantOf } from '../instants.ts';

/** A part of a kit, as JSON has it: its SKU, and how many of it. */
export type ComponentPair = readonly [sku: string, quantity: number];

/** A row of `items`, with its parts when it is a kit. */
export type ItemRow = StoredItem & { readonly components: readonly ComponentPair[] | null };

/** What a SKU looks like in a cursor. */
export const SKU_CURSOR = /^[A-Z0-9][A-Z0-9._-]{0,63}$/;

/** The columns of `items`, under the names that Prisma gives them. Only a kit's row has its parts looked up. */
export const ITEM_COLUMNS = `
  sku, name, description, category, gtin, weight_grams AS "weightGrams", length_mm AS "lengthMm", width_mm AS "widthMm",
  height_mm AS "heightMm", tax_category AS "taxCategory", customs_code AS "customsCode",
  origin_country_code AS "originCountryCode", etag, create_time AS "createTime", update_time AS "updateTime",
  delete_time AS "deleteTime", unit_code AS "unitCode", out_of_stock_policy AS "outOfStockPolicy",
  backorder_limit AS "backorderLimit", release_time AS "releaseTime", lot_tracked AS "lotTracked", is_kit AS "isKit",
  CASE WHEN is_kit THEN (
    SELECT json_agg(json_build_array(k.component_sku, k.quantity) ORDER BY k.position)
    FROM kit_components k WHERE k.kit_sku = items.sku) END AS components`;

export const ITEM_MASK: MaskRules = {
  identifier: 'sku',
  outputOnly: ['etag', 'create_time', 'update_time', 'delete_time'],
};

/** The item as clients see it. */
export function itemMessage(row: ItemRow): Item {
  return create(ItemSchema, {
    sku: row.sku,
    name: row.name,
    description: row.description,
    category: row.category,
    gtin: row.gtin,
    weightGrams: row.weightGrams,
    dimensions: { lengthMm: row.lengthMm, widthMm: row.widthMm, heightMm: row.heightMm },
    taxCategory: row.taxCategory,
    customsCode: row.customsCode,
    originCountryCode: row.originCountryCode,
    etag: row.etag,
    createTime: timestampFromDate(row.createTime),
    updateTime: timestampFromDate(row.updateTime),
    ...(row.deleteTime === null ? {} : { deleteTime: timestampFromDate(row.deleteTime) }),
    unitCode: row.unitCode,
    components: (row.components ?? []).map(([sku, quantity]) => ({ sku, quantity: BigInt(quantity) })),
    outOfStockPolicy: row.outOfStockPolicy,
    backorderLimit: row.backorderLimit,
    ...(row.releaseTime === null ? {} : { releaseTime: timestampFromDate(row.releaseTime) }),
    lotTracked: row.lotTracked,
  });
}

/**
 * What of a message is stored in its row: all but the key, which an update must not even name, lest it wait for all who hold the row; and but what
 * the database sets itself.
 *
 * @throws INVALID_FIELD for a release time that is none.
 */
export function itemData(item: Item) {
  return {
    name: item.name,
    description: item.description,
    category: item.category,
    gtin: item.gtin,
    weightGrams: item.weightGrams,
    lengthMm: item.dimensions?.lengthMm ?? 0,
    widthMm: item.dimensions?.widthMm ?? 0,
    heightMm: item.dimensions?.heightMm ?? 0,
    taxCategory: item.taxCategory,
    customsCode: item.customsCode,
    originCountryCode: item.originCountryCode,
    unitCode: item.unitCode,
    outOfStockPolicy: item.outOfStockPolicy || OutOfStockPolicy.DENY,
    backorderLimit: item.backorderLimit,
    releaseTime: instantOf(item.releaseTime, 'item.release_time') ?? null,
    lotTracked: item.lotTracked,
    isKit: item.components.length > 0,
  };
}

/** @throws GTIN_INVALID when the item has a GTIN whose check digit is wrong. */
export function checkGtin({ gtin }: Item): void {
  if (gtin !== '' && !isGtin(gtin)) {
    throw fail('GTIN_INVALID', `the check digit of the GTIN ${gtin} is wrong`, { gtin });
  }
}

/** The error for a SKU that has no item, or none that can be had. */
export function itemNotFound(sku: string) {
  return fail('ITEM_NOT_FOUND', `no item has the SKU ${sku}`, { sku });
}

/** The error for a kit where only what has stock of its own can be meant. */
export function kitHasNoStock(sku: string) {
  return fail('KIT_HAS_NO_STOCK', `${sku} is a kit: its components have stock`, { sku });
}
