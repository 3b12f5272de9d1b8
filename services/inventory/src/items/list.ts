/**
 * Pages of items, by filter and order. A page continues after the sort key of the last item of the page before (keyset), so
 * that items that come and go in between neither repeat nor hide others.
 */

import { ItemOrder } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { CURSOR } from '@weft/runtime/data/page';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { type Filter, FilterError, parseFilter } from './filter.ts';
import { conditionOf, folded, Parameters } from './filter-sql.ts';
import { ITEM_COLUMNS, type ItemRow, SKU_CURSOR } from './item.ts';

/** What to list. */
export type ItemQuery = {
  /** Conditions that must all hold. */
  readonly terms: readonly Filter[];
  readonly order: ItemOrder;
  readonly showDeleted: boolean;
};

/** One expression that a list is sorted by. */
type SortKey = {
  readonly expression: string;
  /** The key as text, for a cursor. */
  readonly written: string;
  /** The key again, from the placeholder of that text. */
  readonly read: (placeholder: string) => string;
  /** What the text looks like. */
  readonly form: RegExp;
};

function textKey(expression: string, form: RegExp): SortKey {
  return { expression, written: expression, read: (placeholder) => `${placeholder}::text`, form };
}

const BY_SKU = textKey('sku', SKU_CURSOR);
const BY_NAME = textKey(folded('name'), CURSOR.text);
const BY_CATEGORY = textKey('category', CURSOR.text);
const BY_UPDATE_TIME: SortKey = {
  expression: 'update_time',
  written: '(extract(epoch FROM update_time) * 1000)::bigint::text',
  read: (placeholder) => `(timestamptz 'epoch' + ${placeholder}::bigint * interval '1 millisecond')`,
  form: CURSOR.milliseconds,
};

/**
 * SKU comes last everywhere, so that no two items are equal. All keys of an order run the same way: only then is the place after a
 * cursor one comparison of rows, which its index finds however deep the page.
 */
const SORT_KEYS: Readonly<Record<ItemOrder, readonly SortKey[]>> = {
  [ItemOrder.UNSPECIFIED]: [BY_SKU],
  [ItemOrder.NAME]: [BY_NAME, BY_SKU],
  [ItemOrder.CATEGORY]: [BY_CATEGORY, BY_NAME, BY_SKU],
  [ItemOrder.NEWEST]: [BY_UPDATE_TIME, BY_SKU],
};

/** What the cursor of an order looks like, part by part. */
export function cursorForm(order: ItemOrder): RegExp[] {
  return SORT_KEYS[order].map(({ form }) => form);
}

/** Reads a filter. @throws FILTER_INVALID, with the position. */
export function readFilter(filter: string): Filter[] {
  try {
    return parseFilter(filter);
  } catch (error) {
    if (error instanceof FilterError) {
      throw fail('FILTER_INVALID', `the filter cannot be read: ${error.message}`, { position: `${error.position}` });
    }
    throw error;
  }
}

/** An item and the key after which the next page begins. */
export type ListedItem = { readonly row: ItemRow; readonly key: readonly string[] };

/**
 * Up to `limit` items after `after`, the key of the last item before them; from the beginning without one.
 */
export async function listItems(
  db: Sql,
  query: ItemQuery,
  after: readonly string[] | undefined,
  limit: number,
): Promise<ListedItem[]> {
  const keys = SORT_KEYS[query.order];
  const isDescending = query.order === ItemOrder.NEWEST;
  const parameters = new Parameters();
  const conditions = [conditionOf(query.terms, parameters)];
  if (!query.showDeleted) {
    conditions.push('delete_time IS NULL');
  }
  if (after !== undefined) {
    conditions.push(afterKey(keys, after, isDescending ? '<' : '>', parameters));
  }
  const { rows } = await db.query<ItemRow & { key: string[] }>({
    text: `
      SELECT ${ITEM_COLUMNS}, ARRAY[${keys.map(({ written }) => written).join(', ')}] AS key
      FROM items
      WHERE ${conditions.join(' AND ')}
      ORDER BY ${keys.map(({ expression }) => `${expression}${isDescending ? ' DESC' : ''}`).join(', ')}
      LIMIT ${parameters.add(limit)}`,
    values: parameters.values,
  });
  return rows.map(({ key, ...row }) => ({ row, key }));
}

/** The condition that an item comes after a key. */
function afterKey(
  keys: readonly SortKey[],
  after: readonly string[],
  operator: '<' | '>',
  parameters: Parameters,
): string {
  const values = keys.map(({ read }, index) => read(parameters.add(after[index])));
  return `(${keys.map(({ expression }) => expression).join(', ')}) ${operator} (${values.join(', ')})`;
}
