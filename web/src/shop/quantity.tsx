/**
 * Puts an item in the basket and says how many of it are there.
 */

import { useStore } from '../app/store.ts';
import { announce } from '../ui/announcer.tsx';
import { basket, MOST_UNITS, quantityOf, setQuantity } from './basket.ts';

/** "Add to basket", and once it is in there, the number of units. */
export function AddToBasket({ sku, name, soldOut }: { sku: string; name: string; soldOut: boolean }) {
  const quantity = useStore(basket, (lines) => quantityOf(lines, sku));
  if (quantity > 0) {
    return <QuantityPicker sku={sku} name={name} quantity={quantity} />;
  }
  return (
    <button
      type="button"
      className="button"
      disabled={soldOut}
      aria-label={`Add to basket: ${name}`}
      onClick={() => {
        setQuantity(sku, 1);
        announce(`${name} is in the basket.`);
      }}
    >
      Add to basket
    </button>
  );
}

/** Fewer, how many, more. */
export function QuantityPicker({ sku, name, quantity }: { sku: string; name: string; quantity: number }) {
  const change = (next: number) => {
    setQuantity(sku, next);
    announce(next <= 0 ? `${name} was taken out of the basket.` : `${next} of ${name} in the basket.`);
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset would bring a legend and a border for three small controls.
    <div className="quantity" role="group" aria-label={`Quantity of ${name}`}>
      <button type="button" aria-label={`One less of ${name}`} onClick={() => change(quantity - 1)}>
        −
      </button>
      <input
        inputMode="numeric"
        aria-label={`Units of ${name}`}
        value={quantity}
        maxLength={String(MOST_UNITS).length}
        onFocus={(event) => event.target.select()}
        onChange={(event) => {
          const next = Number.parseInt(event.target.value, 10);
          if (next >= 1) {
            change(next);
          }
        }}
      />
      <button
        type="button"
        aria-label={`One more of ${name}`}
        disabled={quantity >= MOST_UNITS}
        onClick={() => change(quantity + 1)}
      >
        +
      </button>
    </div>
  );
}
