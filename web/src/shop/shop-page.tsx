/**
 * The shop's front: search, categories, items. What is looked for stands in the address bar, so that it can be shared and gone
 * back to.
 */

import { useEffect, useState } from 'react';
import { navigate, usePageTitle, usePlace } from '../app/router.tsx';
import { useStore } from '../app/store.ts';
import { Empty, ErrorNotice, Heading } from '../ui/notices.tsx';
import { CategoryNav } from './category-nav.tsx';
import { chosenCurrency } from './currency.ts';
import { ItemCard } from './item-card.tsx';
import { useItemPages, usePrices } from './item-queries.ts';
import { categoryLabel, ORDERS, pathOf, type Search, searchFrom } from './search.ts';

/** Typing rests this long before the search begins. */
const TYPING_MS = 250;

export function ShopPage() {
  const { query } = usePlace();
  const search = searchFrom(query);
  const currency = useStore(chosenCurrency);
  const pages = useItemPages(search);
  const prices = usePrices(
    pages.items.map(({ sku }) => ({ sku, quantity: 1 })),
    currency,
  );
  usePageTitle(search.category === '' ? 'Shop' : categoryLabel(search.category));

  return (
    <div className="shop">
      <CategoryNav search={search} />
      <div className="shop-main">
        <Heading>{search.category === '' ? 'Everything' : categoryLabel(search.category)}</Heading>
        <SearchBar search={search} />
        <p className="visually-hidden" role="status">
          {pages.loading ? 'Searching' : `${pages.items.length}${pages.more ? ' or more' : ''} items found`}
        </p>
        {prices.error !== undefined && <ErrorNotice error={prices.error} onRetry={prices.reload} />}
        <ul className="grid" aria-label="Items" aria-busy={pages.loading}>
          {pages.items.map((item) => (
            <ItemCard
              key={item.sku}
              item={item}
              price={prices.data?.get(item.sku)}
              priced={prices.data?.has(item.sku) ?? false}
            />
          ))}
          {pages.loading &&
            Array.from({ length: 8 }, (_, index) => <Placeholder key={`placeholder-${String(index)}`} />)}
        </ul>
        {pages.error !== undefined && <ErrorNotice error={pages.error} onRetry={pages.loadMore} />}
        {!pages.loading && pages.error === undefined && pages.items.length === 0 && (
          <Empty title="Nothing fits that.">
            <p>Try fewer or other words{search.category === '' ? '' : ', or look in all categories'}.</p>
            <button type="button" className="button" onClick={() => navigate('/')}>
              Show everything
            </button>
          </Empty>
        )}
        {pages.more && !pages.loading && pages.error === undefined && (
          <p className="more">
            <button type="button" className="button button-quiet" onClick={pages.loadMore}>
              Show more items
            </button>
          </p>
        )}
      </div>
    </div>
  );
}

function SearchBar({ search }: { search: Search }) {
  const [words, setWords] = useState(search.words);
  useEffect(() => setWords(search.words), [search.words]);
  useEffect(() => {
    if (words === search.words) {
      return;
    }
    const timer = setTimeout(() => navigate(pathOf({ ...search, words }), { replace: true }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [words, search]);
  return (
    <search className="search">
      <label className="visually-hidden" htmlFor="search-words">
        Search items
      </label>
      <input
        id="search-words"
        type="search"
        placeholder="Search by name, SKU or description"
        value={words}
        maxLength={200}
        onChange={(event) => setWords(event.target.value)}
      />
      <label>
        <span className="visually-hidden">Order</span>
        <select
          value={ORDERS.find(({ order }) => order === search.order)?.key}
          onChange={(event) => {
            const order = ORDERS.find(({ key }) => key === event.target.value)?.order ?? search.order;
            navigate(pathOf({ ...search, order }), { replace: true });
          }}
        >
          {ORDERS.map(({ key, label }) => (
            <option key={key} value={key}>
              {label}
            </option>
          ))}
        </select>
      </label>
    </search>
  );
}

function Placeholder() {
  return (
    <li className="card card-placeholder" aria-hidden="true">
      <div className="card-picture" />
    </li>
  );
}
