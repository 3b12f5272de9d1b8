/**
 * The currency that the visitor chose. There is no conversion: a price exists in it or does not.
 */

import { recall, remember } from '../app/memory.ts';
import { createStore } from '../app/store.ts';

/** The currencies that the shop has prices in. */
export const CURRENCIES = ['EUR', 'GBP', 'USD', 'JPY'] as const;

/** One of them. */
export type Currency = (typeof CURRENCIES)[number];

const KEY = 'weft.currency';

/** Whether a value is a currency of the shop. */
export function isCurrency(value: unknown): value is Currency {
  return CURRENCIES.some((currency) => currency === value);
}

export const chosenCurrency = createStore<Currency>('EUR');

/** Chooses the currency, for later visits too. */
export function chooseCurrency(currency: Currency): void {
  remember(localStorage, KEY, currency);
  chosenCurrency.set(currency);
}

/** Takes up what was chosen on an earlier visit. */
export function restoreCurrency(): void {
  chosenCurrency.set(recall(localStorage, KEY, isCurrency) ?? 'EUR');
}
