/**
 * What the shop asks the mesh for: pages of items, the categories, prices.
 */

import type { Item } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { ItemOrder } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import type { ResolvedPrice } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import { useCallback, useEffect, useRef, useState } from 'react';
import { type Query, useQuery, useRpc } from '../rpc/context.ts';
import type { Rpc } from '../rpc/transport.ts';
import type { BasketLine } from './basket.ts';
import { filterOf, type Search } from './search.ts';

const PAGE_SIZE = 24;

/** Most SKUs in one request, by the contracts. */
const BATCH = 200;

/** The category list is read off the items. A catalogue that has more than this is left to the search. */
const MOST_ITEMS_FOR_CATEGORIES = 1_000;

/** Items found so far. */
export type ItemPages = {
  readonly items: readonly Item[];
  readonly loading: boolean;
  readonly error: unknown;
  /** Whether there are more. */
  readonly more: boolean;
  /** Loads the next page, or the one that failed again. */
  readonly loadMore: () => void;
};

/** Finds items, a page at a time. */
export function useItemPages(search: Search): ItemPages {
  const rpc = useRpc();
  const filter = filterOf(search);
  const key = `${search.order} ${filter}`;
  const [state, setState] = useState({
    key: '',
    items: [] as readonly Item[],
    token: '',
    loading: true,
    error: undefined as unknown,
  });
  const running = useRef<AbortController>(undefined);
  const load = useCallback(
    (items: readonly Item[], pageToken: string) => {
      running.current?.abort();
      const controller = new AbortController();
      running.current = controller;
      setState({ key, items, token: pageToken, loading: true, error: undefined });
      rpc.items
        .listItems({ pageSize: PAGE_SIZE, pageToken, filter, order: search.order }, { signal: controller.signal })
        .then(
          (page) => {
            if (!controller.signal.aborted) {
              const all = [...items, ...page.items];
              setState({ key, items: all, token: page.nextPageToken, loading: false, error: undefined });
            }
          },
          (error: unknown) => {
            if (!controller.signal.aborted) {
              setState({ key, items, token: pageToken, loading: false, error });
            }
          },
        );
    },
    [rpc, key, filter, search.order],
  );
  useEffect(() => {
    load([], '');
    return () => running.current?.abort();
  }, [load]);
  return {
    items: state.key === key ? state.items : [],
    loading: state.loading || state.key !== key,
    error: state.error,
    more: state.token !== '',
    loadMore: () => load(state.items, state.token),
  };
}

/** A category and how many items it has, with those below it. */
export type Category = { readonly path: string; readonly count: number; readonly children: readonly Category[] };

/** The categories of the catalogue. */
export function useCategories(): Query<readonly Category[]> {
  const rpc = useRpc();
  return useQuery('categories', async (signal) => {
    const paths: string[] = [];
    let pageToken = '';
    do {
      const page = await rpc.items.listItems({ pageSize: BATCH, pageToken, order: ItemOrder.CATEGORY }, { signal });
      paths.push(...page.items.map((item) => item.category));
      pageToken = page.nextPageToken;
    } while (pageToken !== '' && paths.length < MOST_ITEMS_FOR_CATEGORIES);
    return categoryTree(paths);
  });
}

/** Two levels of categories, with counts, sorted by name. */
export function categoryTree(paths: readonly string[]): readonly Category[] {
  const counts = new Map<string, number>();
  for (const path of paths) {
    const [top = '', next] = path.split('/');
    counts.set(top, (counts.get(top) ?? 0) + 1);
    if (next !== undefined) {
      counts.set(`${top}/${next}`, (counts.get(`${top}/${next}`) ?? 0) + 1);
    }
  }
  const sorted = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, count]) => ({ path, count }));
  return sorted
    .filter(({ path }) => !path.includes('/'))
    .map((top) => ({
      ...top,
      children: sorted
        .filter(({ path }) => path.startsWith(`${top.path}/`))
        .map((child) => ({ ...child, children: [] })),
    }));
}

/** What so many units of each item cost, by SKU. */
export function usePrices(
  lines: readonly BasketLine[],
  currencyCode: string,
): Query<ReadonlyMap<string, ResolvedPrice>> {
  const rpc = useRpc();
  const key = lines.map(({ sku, quantity }) => `${sku}x${quantity}`).join(' ');
  return useQuery(key === '' ? '' : `${currencyCode} ${key}`, (signal) =>
    resolvePrices(rpc, lines, currencyCode, signal),
  );
}

async function resolvePrices(rpc: Rpc, lines: readonly BasketLine[], currencyCode: string, signal: AbortSignal) {
  const found = new Map<string, ResolvedPrice>();
  for (let at = 0; at < lines.length; at += BATCH) {
    const batch = lines.slice(at, at + BATCH).map(({ sku, quantity }) => ({ sku, quantity: BigInt(quantity) }));
    const { prices } = await rpc.prices.resolvePrices({ lines: batch, currencyCode }, { signal });
    for (const price of prices) {
      found.set(price.sku, price);
    }
  }
  return found;
}

/** Items by SKU; those that do not exist any more are left out. */
export function useItems(skus: readonly string[]): Query<ReadonlyMap<string, Item>> {
  const rpc = useRpc();
  return useQuery(skus.length === 0 ? '' : [...skus].sort().join(' '), async (signal) => {
    const { items } = await rpc.items.batchGetItems({ skus: [...skus], allowMissing: true }, { signal });
    return new Map(items.map((item) => [item.sku, item]));
  });
}
