/**
 * What is in the basket, with quantities to change and what each line costs.
 */

import type { ResolvedPrice } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import { Link } from '../app/router.tsx';
import { formatMoney } from '../format/money.ts';
import type { Query } from '../rpc/context.ts';
import { type BasketLine, setQuantity } from '../shop/basket.ts';
import { StockTag } from '../shop/item-card.tsx';
import { useItems } from '../shop/item-queries.ts';
import { Picture } from '../shop/picture.tsx';
import { QuantityPicker } from '../shop/quantity.tsx';
import { announce } from '../ui/announcer.tsx';
import { ErrorNotice } from '../ui/notices.tsx';

export function BasketList({
  lines,
  prices,
}: {
  lines: readonly BasketLine[];
  prices: Query<ReadonlyMap<string, ResolvedPrice>>;
}) {
  const items = useItems(lines.map(({ sku }) => sku));
  return (
    <>
      {items.error !== undefined && <ErrorNotice error={items.error} onRetry={items.reload} />}
      {prices.error !== undefined && <ErrorNotice error={prices.error} onRetry={prices.reload} />}
      <ul className="lines" aria-label="Basket">
        {lines.map(({ sku, quantity }) => {
          const item = items.data?.get(sku);
          const name = item?.name ?? sku;
          const price = prices.data?.get(sku);
          return (
            <li key={sku} className="line" data-sku={sku}>
              <span className="line-picture">
                <Picture sku={sku} category={item?.category ?? 'parcel'} />
              </span>
              <div className="line-text">
                <Link href={`/item/${encodeURIComponent(sku)}`}>{name}</Link>
                <StockTag sku={sku} />
              </div>
              <QuantityPicker sku={sku} name={name} quantity={quantity} />
              <p className="line-price">
                {price?.linePrice === undefined ? (prices.data ? 'No price' : '') : formatMoney(price.linePrice)}
                {quantity > 1 && price?.price !== undefined && <small>{formatMoney(price.price.unitPrice)} each</small>}
              </p>
              <button
                type="button"
                className="button-bare"
                aria-label={`Remove ${name}`}
                onClick={() => {
                  setQuantity(sku, 0);
                  announce(`${name} was taken out of the basket.`);
                }}
              >
                Remove
              </button>
            </li>
          );
        })}
      </ul>
    </>
  );
}
