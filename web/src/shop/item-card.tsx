/**
 * An item in the list: picture, name, price, live availability, and the way into the basket.
 */

import type { Item } from '@weft/gen/weft/inventory/v1/item_pb.js';
import type { ResolvedPrice } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import { useEffect, useRef, useState } from 'react';
import { Link } from '../app/router.tsx';
import { formatMoney } from '../format/money.ts';
import { describeLevel, isSoldOut, useAvailability } from './availability.ts';
import { Picture } from './picture.tsx';
import { AddToBasket } from './quantity.tsx';
import { categoryLabel } from './search.ts';

export function ItemCard({ item, price, priced }: { item: Item; price: ResolvedPrice | undefined; priced: boolean }) {
  const [card, inView] = useInView();
  const level = useAvailability(item.sku, inView);
  const soldOut = isSoldOut(level);
  return (
    <li className="card" ref={card} data-sku={item.sku} data-sold-out={soldOut}>
      <Link className="card-picture" href={`/item/${encodeURIComponent(item.sku)}`} tabIndex={-1} aria-hidden="true">
        <Picture sku={item.sku} category={item.category} />
      </Link>
      <div className="card-text">
        <p className="card-category">{categoryLabel(item.category)}</p>
        <h3>
          <Link href={`/item/${encodeURIComponent(item.sku)}`}>{item.name}</Link>
        </h3>
      </div>
      <div className="card-foot">
        <PriceTag price={price} priced={priced} />
        <StockTag sku={item.sku} active={inView} />
        <AddToBasket sku={item.sku} name={item.name} soldOut={soldOut || (priced && price?.price === undefined)} />
      </div>
    </li>
  );
}

/** What one unit costs, and whether tax is in it. */
export function PriceTag({ price, priced }: { price: ResolvedPrice | undefined; priced: boolean }) {
  if (price?.price === undefined) {
    return <p className="price price-none">{priced ? 'No price in this currency' : '\u00a0'}</p>;
  }
  return (
    <p className="price">
      {formatMoney(price.price.unitPrice)}
      {!price.price.taxInclusive && <small> plus tax</small>}
    </p>
  );
}

/** How many are left, live. */
export function StockTag({ sku, active = true }: { sku: string; active?: boolean }) {
  const { text, tone } = describeLevel(useAvailability(sku, active));
  return (
    <p className="stock" data-tone={tone}>
      {text}
    </p>
  );
}

/** Whether an element is on the screen, or almost. */
function useInView() {
  const element = useRef<HTMLLIElement>(null);
  const [inView, setInView] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => setInView(entries.at(-1)?.isIntersecting ?? false), {
      rootMargin: '200px',
    });
    if (element.current !== null) {
      observer.observe(element.current);
    }
    return () => observer.disconnect();
  }, []);
  return [element, inView] as const;
}
