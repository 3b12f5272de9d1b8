/**
 * One item, with all that the catalogue says of it.
 */

import { Link, usePageTitle } from '../app/router.tsx';
import { useStore } from '../app/store.ts';
import { formatDimensions, formatWeight } from '../format/measures.ts';
import { useQuery, useRpc } from '../rpc/context.ts';
import { ErrorNotice, Heading, Loading } from '../ui/notices.tsx';
import { isSoldOut, useAvailability } from './availability.ts';
import { chosenCurrency } from './currency.ts';
import { PriceTag, StockTag } from './item-card.tsx';
import { usePrices } from './item-queries.ts';
import { Picture } from './picture.tsx';
import { AddToBasket } from './quantity.tsx';
import { categoryLabel } from './search.ts';

const COUNTRIES = new Intl.DisplayNames(undefined, { type: 'region' });

export function ItemPage({ sku }: { sku: string }) {
  const rpc = useRpc();
  const currency = useStore(chosenCurrency);
  const query = useQuery(`item ${sku}`, async (signal) => (await rpc.items.getItem({ sku }, { signal })).item);
  const prices = usePrices([{ sku, quantity: 1 }], currency);
  const level = useAvailability(sku);
  const item = query.data;
  usePageTitle(item?.name ?? sku);
  if (query.error !== undefined) {
    return (
      <>
        <Heading>{sku}</Heading>
        <ErrorNotice error={query.error} onRetry={query.reload} />
      </>
    );
  }
  if (item === undefined) {
    return <Loading what="Fetching the item" />;
  }
  const gone = item.deleteTime !== undefined;
  const facts: [string, string][] = [
    ['SKU', item.sku],
    ['GTIN', item.gtin],
    ['Weight', formatWeight(item.weightGrams)],
    ['Size', formatDimensions(item.dimensions)],
    ['Made in', item.originCountryCode === '' ? '' : (COUNTRIES.of(item.originCountryCode) ?? item.originCountryCode)],
    ['Taxed as', item.taxCategory.replaceAll('_', ' ')],
  ];
  return (
    <article className="item">
      <div className="item-picture">
        <Picture sku={item.sku} category={item.category} />
      </div>
      <div className="item-text">
        <p className="card-category">
          <Link href={`/?category=${encodeURIComponent(item.category)}`}>{categoryLabel(item.category)}</Link>
        </p>
        <Heading>{item.name}</Heading>
        <p className="lead">{item.description}</p>
        <div className="item-buy">
          <PriceTag price={prices.data?.get(sku)} priced={prices.data?.has(sku) ?? false} />
          <StockTag sku={sku} />
          <AddToBasket
            sku={sku}
            name={item.name}
            soldOut={gone || isSoldOut(level) || (prices.data?.has(sku) === true && !prices.data.get(sku)?.price)}
          />
        </div>
        {prices.error !== undefined && <ErrorNotice error={prices.error} onRetry={prices.reload} />}
        <dl className="facts">
          {facts
            .filter(([, value]) => value !== '')
            .map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
        </dl>
      </div>
    </article>
  );
}
