/**
 * From what a visitor types and chooses to ListItems' filter (AIP-160), and to the address bar and back.
 */

import { ItemOrder } from '@weft/gen/weft/inventory/v1/item_service_pb.js';

/** What is looked for. */
export type Search = {
  /** Words that all must appear in SKU, name or description. */
  readonly words: string;
  /** A category with all below it; empty for all. */
  readonly category: string;
  readonly order: ItemOrder;
};

/** The orders to choose from, as the address bar names them. */
export const ORDERS = [
  { key: 'name', label: 'By name', order: ItemOrder.NAME },
  { key: 'category', label: 'By category', order: ItemOrder.CATEGORY },
  { key: 'newest', label: 'Latest changes first', order: ItemOrder.NEWEST },
] as const;

/** Bounds of the contract: 500 characters of filter, and no more terms than a person writes. */
const LONGEST_FILTER = 500;
const MOST_WORDS = 12;

/** The filter. Each word is quoted, so that whatever is typed is searched for and is never syntax. */
export function filterOf({ words, category }: Pick<Search, 'words' | 'category'>): string {
  const terms = category === '' ? [] : [`category:${quote(category)}`];
  for (const word of words.split(/\s+/).filter(Boolean).slice(0, MOST_WORDS)) {
    const longer = [...terms, quote(word)];
    if (longer.join(' ').length > LONGEST_FILTER) {
      break;
    }
    terms.push(quote(word));
  }
  return terms.join(' ');
}

/** Reads the address bar. */
export function searchFrom(query: URLSearchParams): Search {
  return {
    words: query.get('q') ?? '',
    category: query.get('category') ?? '',
    order: (ORDERS.find(({ key }) => key === query.get('order')) ?? ORDERS[0]).order,
  };
}

/** Writes the address bar: what differs from the shop's front. */
export function pathOf({ words, category, order }: Search): string {
  const query = new URLSearchParams();
  if (words !== '') {
    query.set('q', words);
  }
  if (category !== '') {
    query.set('category', category);
  }
  if (order !== ORDERS[0].order) {
    query.set('order', ORDERS.find((entry) => entry.order === order)?.key ?? '');
  }
  return query.size === 0 ? '/' : `/?${query}`;
}

/** Names that do not follow from the category's own. */
const LABELS: Readonly<Record<string, string>> = {
  'audio-cables': 'Audio & cables',
  'coffee-tea': 'Coffee & tea',
  'kids-clothing': 'Kids’ clothing',
  'toys-games': 'Toys & games',
};

/** A category's name for people: `home-textiles/bath` is `Home textiles › Bath`. */
export function categoryLabel(category: string): string {
  return category
    .split('/')
    .map((part) => LABELS[part] ?? part.charAt(0).toUpperCase() + part.slice(1).replaceAll('-', ' '))
    .join(' › ');
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}
