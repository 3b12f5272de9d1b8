/**
 * Items as rows of the database and as messages of the contract.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Item, ItemSchema } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { fail } from '@weft/runtime/errors/fail';
import type { MaskRules } from '@weft/runtime/update-mask';
import { isGtin } from '@weft/values/gtin';
import type { Item as ItemRow } from '../../prisma/client/client.ts';

export type { ItemRow };

/** What a SKU looks like in a cursor. */
export const SKU_CURSOR = /^[A-Z0-9][A-Z0-9._-]{0,63}$/;

/** The columns of `items`, under the names that Prisma gives them. */
export const ITEM_COLUMNS = `
  sku, name, description, category, gtin, weight_grams AS "weightGrams", length_mm AS "lengthMm", width_mm AS "widthMm",
  height_mm AS "heightMm", tax_category AS "taxCategory", customs_code AS "customsCode",
  origin_country_code AS "originCountryCode", etag, create_time AS "createTime", update_time AS "updateTime",
  delete_time AS "deleteTime"`;

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
  });
}

/** What of a message is stored: all but what the database sets itself. */
export function itemData(item: Item) {
  return {
    sku: item.sku,
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
