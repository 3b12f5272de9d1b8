/**
 * Creates, changes, deletes and undeletes items. Each is part of a transaction that `tx` names.
 */

import { create } from '@bufbuild/protobuf';
import { type Item, ItemSchema } from '@weft/gen/weft/inventory/v1/item_pb.js';
import {
  CreateItemRequestSchema,
  type DeleteItemRequest,
  GetItemRequestSchema,
  type UpdateItemRequest,
} from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { append } from '@weft/runtime/data/changes';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { check } from '@weft/runtime/server/validate';
import { applyMask } from '@weft/runtime/update-mask';
import { itemChange, saleChange } from '../changes.ts';
import type { Database } from '../database.ts';
import { isUniqueViolation } from '../errors.ts';
import { lockStock } from '../stock/lock.ts';
import { checkGtin, ITEM_COLUMNS, ITEM_MASK, type ItemRow, itemData, itemMessage, itemNotFound } from './item.ts';

/** @throws GTIN_INVALID, ITEM_ALREADY_EXISTS */
export async function createItem(database: Database, tx: Sql, item: Item): Promise<Item> {
  checkGtin(item);
  const data = itemData(item);
  const row = await unique(item, () => database.within(tx, () => database.prisma.item.create({ data })));
  await append(tx, [itemChange(item.sku), saleChange(item.sku)]);
  return itemMessage(row);
}

/** @throws ITEM_NOT_FOUND, ETAG_MISMATCH, UPDATE_MASK_INVALID, INVALID_FIELD, GTIN_INVALID, ITEM_ALREADY_EXISTS */
export async function updateItem(database: Database, tx: Sql, request: UpdateItemRequest): Promise<Item> {
  const patch = request.item ?? create(ItemSchema);
  const { sku } = patch;
  check(GetItemRequestSchema, create(GetItemRequestSchema, { sku }));
  const current = await lockLiveItem(tx, sku, 'NO KEY UPDATE');
  checkEtag(current, patch.etag);
  const item = applyMask(ItemSchema, ITEM_MASK, itemMessage(current), patch, request.updateMask);
  // The rules are those of an item that is sent whole, and so are the names of fields in the error.
  check(CreateItemRequestSchema, create(CreateItemRequestSchema, { requestId: request.requestId, item }));
  checkGtin(item);
  const data = itemData(item);
  const row = await unique(item, () =>
    database.within(tx, () => database.prisma.item.update({ where: { sku }, data })),
  );
  await append(tx, [itemChange(sku)]);
  return itemMessage(row);
}

/**
 * Deletes an item softly. The item's lock keeps new stock rows away, the stock's lock new reservations, so that none can slip
 * in between the check and the deletion.
 *
 * @throws ITEM_NOT_FOUND, ETAG_MISMATCH, ITEM_RESERVED
 */
export async function deleteItem(tx: Sql, { sku, etag }: DeleteItemRequest): Promise<Item> {
  checkEtag(await lockLiveItem(tx, sku, 'UPDATE'), etag);
  const levels = await lockStock(tx, [sku]);
  const reserved = levels.filter((level) => level.sku === sku).reduce((sum, level) => sum + level.reserved, 0n);
  if (reserved > 0n) {
    throw fail('ITEM_RESERVED', `${reserved} units of ${sku} are reserved`, { sku, reserved: `${reserved}` });
  }
  return setDeleteTime(tx, sku, 'now()');
}

/** @throws ITEM_NOT_FOUND, ITEM_NOT_DELETED, ITEM_ALREADY_EXISTS */
export async function undeleteItem(tx: Sql, sku: string): Promise<Item> {
  const item = await lockItem(tx, sku, 'NO KEY UPDATE');
  if (item === undefined) {
    throw itemNotFound(sku);
  }
  if (item.deleteTime === null) {
    throw fail('ITEM_NOT_DELETED', `the item ${sku} is not deleted`, { sku });
  }
  return unique(item, () => setDeleteTime(tx, sku, 'NULL'));
}

async function setDeleteTime(tx: Sql, sku: string, time: 'now()' | 'NULL'): Promise<Item> {
  const { rows } = await tx.query<ItemRow>({
    text: `UPDATE items SET delete_time = ${time} WHERE sku = $1 RETURNING ${ITEM_COLUMNS}`,
    values: [sku],
  });
  const [row] = rows;
  if (row === undefined) {
    throw new Error(`the item ${sku} vanished under its lock`);
  }
  await append(tx, [itemChange(sku), saleChange(sku)]);
  return itemMessage(row);
}

type Strength = 'UPDATE' | 'NO KEY UPDATE';

async function lockItem(tx: Sql, sku: string, strength: Strength): Promise<ItemRow | undefined> {
  const { rows } = await tx.query<ItemRow>({
    text: `SELECT ${ITEM_COLUMNS} FROM items WHERE sku = $1 FOR ${strength}`,
    values: [sku],
  });
  return rows[0];
}

async function lockLiveItem(tx: Sql, sku: string, strength: Strength): Promise<ItemRow> {
  const item = await lockItem(tx, sku, strength);
  if (item === undefined || item.deleteTime !== null) {
    throw itemNotFound(sku);
  }
  return item;
}

function checkEtag(current: ItemRow, etag: string): void {
  if (etag !== '' && etag !== current.etag) {
    throw fail('ETAG_MISMATCH', `the item ${current.sku} changed since its etag was read`, { etag: current.etag });
  }
}

/** Runs a write; a name that is taken is told as ITEM_ALREADY_EXISTS. The transaction is over then, and rolls back. */
async function unique<T>({ sku, gtin }: { readonly sku: string; readonly gtin: string }, write: () => Promise<T>) {
  try {
    return await write();
  } catch (error) {
    if (!isUniqueViolation(error)) {
      throw error;
    }
    const text = gtin === '' ? `the SKU ${sku} is taken` : `the SKU ${sku} or the GTIN ${gtin} is taken`;
    throw fail('ITEM_ALREADY_EXISTS', text, { sku, ...(gtin === '' ? {} : { gtin }) });
  }
}
