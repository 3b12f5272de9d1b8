/**
 * Creates, changes, deletes and undeletes items. Each is part of a transaction that `tx` names.
 */

import { create } from '@bufbuild/protobuf';
import { type Item, ItemSchema, type KitComponent } from '@weft/gen/weft/inventory/v1/item_pb.js';
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
import {
  type ComponentPair,
  checkGtin,
  ITEM_COLUMNS,
  ITEM_MASK,
  type ItemRow,
  itemData,
  itemMessage,
  itemNotFound,
} from './item.ts';
import { checkNames, checkNesting, kitsWith, lockKits, writeComponents } from './kit.ts';
import { checkStockPolicy } from './stock-policy.ts';

/** @throws GTIN_INVALID, STOCK_POLICY_INVALID, KIT_INVALID, ITEM_ALREADY_EXISTS */
export async function createItem(database: Database, tx: Sql, item: Item): Promise<Item> {
  checkFields(item);
  const { sku, components } = item;
  const data = { sku, ...itemData(item) };
  if (components.length > 0) {
    await lockKits(tx);
  }
  const row = await unique(item, () => database.within(tx, () => database.prisma.item.create({ data })));
  if (components.length > 0) {
    await checkNesting(tx, sku, components);
    await writeComponents(tx, sku, components);
  }
  await append(tx, [itemChange(sku), saleChange(sku)]);
  return itemMessage({ ...row, components: pairsOf(components) });
}

/**
 * @throws ITEM_NOT_FOUND, ETAG_MISMATCH, UPDATE_MASK_INVALID, INVALID_FIELD, GTIN_INVALID, STOCK_POLICY_INVALID, KIT_INVALID,
 *   ITEM_HOLDS_STOCK, ITEM_ALREADY_EXISTS
 */
export async function updateItem(database: Database, tx: Sql, request: UpdateItemRequest): Promise<Item> {
  const patch = request.item ?? create(ItemSchema);
  const { sku } = patch;
  check(GetItemRequestSchema, create(GetItemRequestSchema, { sku }));
  if (patch.components.length > 0) {
    await lockKits(tx);
  }
  const current = await lockLiveItem(tx, sku, 'NO KEY UPDATE');
  checkEtag(current, patch.etag);
  const before = itemMessage(current);
  const item = applyMask(ItemSchema, ITEM_MASK, before, patch, request.updateMask);
  // The rules are those of an item that is sent whole, and so are the names of fields in the error.
  check(CreateItemRequestSchema, create(CreateItemRequestSchema, { requestId: request.requestId, item }));
  checkFields(item);
  const data = itemData(item);
  const becomesKit = data.isKit && !current.isKit;
  if (data.lotTracked !== current.lotTracked || becomesKit) {
    await lockWithoutStock(tx, sku, becomesKit);
  }
  const { components } = item;
  const recomposed = !isSame(before.components, components);
  if (recomposed) {
    if (components.length > 0) {
      await checkNesting(tx, sku, components);
    }
    await writeComponents(tx, sku, components);
  }
  const row = await unique(item, () =>
    database.within(tx, () => database.prisma.item.update({ where: { sku }, data })),
  );
  const resold = recomposed || SALE_FIELDS.some((field) => data[field]?.valueOf() !== current[field]?.valueOf());
  await append(tx, [itemChange(sku), ...(resold ? [saleChange(sku)] : [])]);
  return itemMessage({ ...row, components: pairsOf(components) });
}

/** What decides, besides stock and components, how many units of an item can be had. */
const SALE_FIELDS = ['outOfStockPolicy', 'backorderLimit', 'releaseTime', 'lotTracked', 'isKit'] as const;

/** What can be told of an item by looking at it alone. */
function checkFields(item: Item): void {
  checkGtin(item);
  checkStockPolicy(item);
  checkNames(item.sku, item.components);
}

function pairsOf(components: readonly KitComponent[]): ComponentPair[] {
  return components.map(({ sku, quantity }) => [sku, Number(quantity)]);
}

function isSame(some: readonly KitComponent[], others: readonly KitComponent[]): boolean {
  return (
    some.length === others.length &&
    some.every((one, index) => {
      const other = others[index];
      return one.sku === other?.sku && one.quantity === other.quantity;
    })
  );
}

/**
 * Deletes an item softly. The item's lock keeps new stock rows and new kits away, the stock's lock new reservations, so that none can
 * slip in between the check and the deletion.
 *
 * @throws ITEM_NOT_FOUND, ETAG_MISMATCH, ITEM_IN_KIT, ITEM_RESERVED
 */
export async function deleteItem(tx: Sql, { sku, etag }: DeleteItemRequest): Promise<Item> {
  checkEtag(await lockLiveItem(tx, sku, 'UPDATE'), etag);
  const [kit] = await kitsWith(tx, sku, 1);
  if (kit !== undefined) {
    throw fail('ITEM_IN_KIT', `${sku} is a component of the kit ${kit}`, { sku, kit });
  }
  const levels = await lockStock(tx, [sku]);
  const reserved = levels.filter((level) => level.sku === sku).reduce((sum, level) => sum + level.reserved, 0n);
  if (reserved > 0n) {
    throw fail('ITEM_RESERVED', `${reserved} units of ${sku} are reserved`, { sku, reserved: `${reserved}` });
  }
  return setDeleteTime(tx, sku, 'now()');
}

/** @throws ITEM_NOT_FOUND, ITEM_NOT_DELETED, KIT_INVALID, ITEM_ALREADY_EXISTS */
export async function undeleteItem(tx: Sql, sku: string): Promise<Item> {
  await lockKits(tx);
  const item = await lockItem(tx, sku, 'NO KEY UPDATE');
  if (item === undefined) {
    throw itemNotFound(sku);
  }
  if (item.deleteTime === null) {
    throw fail('ITEM_NOT_DELETED', `the item ${sku} is not deleted`, { sku });
  }
  // Meanwhile its components may have been deleted, or become kits themselves.
  if (item.isKit) {
    await checkNesting(tx, sku, itemMessage(item).components);
  }
  return unique(item, () => setDeleteTime(tx, sku, 'NULL'));
}

/**
 * Keeps bookings of an item waiting, and sees that it has no stock: how stock is kept changes only where there is none. A kit has
 * not even empty rows.
 *
 * @throws ITEM_HOLDS_STOCK
 */
async function lockWithoutStock(tx: Sql, sku: string, becomesKit: boolean): Promise<void> {
  await lockLiveItem(tx, sku, 'UPDATE');
  const held = { on_hand: 0n, reserved: 0n, incoming: 0n, safety: 0n };
  for (const level of await lockStock(tx, [sku])) {
    if (level.sku === sku) {
      held.on_hand += level.onHand;
      held.reserved += level.reserved;
      held.incoming += level.incoming;
      held.safety += becomesKit ? level.safety : 0n;
    }
  }
  const some = Object.entries(held).filter(([, units]) => units > 0n);
  if (some.length > 0) {
    const text = some.map(([what, units]) => `${units} ${what.replace('_', ' ')}`).join(', ');
    const metadata = { sku, ...Object.fromEntries(some.map(([what, units]) => [what, `${units}`])) };
    throw fail('ITEM_HOLDS_STOCK', `${sku} has stock: ${text}`, metadata);
  }
  if (becomesKit) {
    await tx.query({ text: 'DELETE FROM stock WHERE sku = $1', values: [sku] });
  }
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
