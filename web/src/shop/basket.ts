/**
 * The basket: SKUs and quantities, kept in this browser across visits and the same in all of its tabs. It holds no prices: those are the
 * server's to say, each time.
 */

import { recall, remember } from '../app/memory.ts';
import { createStore } from '../app/store.ts';

/** Units of an item. */
export type BasketLine = { readonly sku: string; readonly quantity: number };

/** A basket holds at most as many lines as one checkout takes. */
export const MOST_LINES = 100;

/** Most units of one item; the contract takes ten thousand. */
export const MOST_UNITS = 999;

const KEY = 'weft.basket';
const SKU = /^[A-Z0-9][A-Z0-9._-]{0,63}$/;

export const basket = createStore<readonly BasketLine[]>([]);

/** The basket with so many units of an item; 0 takes it out. A basket that is full stays as it is. */
export function withQuantity(lines: readonly BasketLine[], sku: string, quantity: number): readonly BasketLine[] {
  const units = Math.min(MOST_UNITS, Math.max(0, Math.trunc(quantity) || 0));
  const there = lines.some((line) => line.sku === sku);
  if (units === 0) {
    return lines.filter((line) => line.sku !== sku);
  }
  if (there) {
    return lines.map((line) => (line.sku === sku ? { sku, quantity: units } : line));
  }
  return lines.length >= MOST_LINES ? lines : [...lines, { sku, quantity: units }];
}

/** Sets how many units of an item are wanted. */
export function setQuantity(sku: string, quantity: number): void {
  replaceBasket(withQuantity(basket.get(), sku, quantity));
}

/** Puts other lines in place of all. */
export function replaceBasket(lines: readonly BasketLine[]): void {
  remember(localStorage, KEY, lines);
  basket.set(lines);
}

/** How many units of an item are in the basket. */
export function quantityOf(lines: readonly BasketLine[], sku: string): number {
  return lines.find((line) => line.sku === sku)?.quantity ?? 0;
}

/** Units in all. */
export function unitCount(lines: readonly BasketLine[]): number {
  return lines.reduce((sum, line) => sum + line.quantity, 0);
}

/** Takes up the basket of an earlier visit, and follows what other tabs do to it. */
export function restoreBasket(): void {
  const load = () => basket.set(recall(localStorage, KEY, isBasket) ?? []);
  load();
  addEventListener('storage', (event) => {
    if (event.key === KEY) {
      load();
    }
  });
}

/** Whether a value is a basket that could have been written here. */
export function isBasket(value: unknown): value is readonly BasketLine[] {
  return Array.isArray(value) && value.length <= MOST_LINES && value.every(isLine) && unique(value);
}

function isLine(value: unknown): value is BasketLine {
  const { sku, quantity } = (value ?? {}) as Partial<BasketLine>;
  return (
    typeof sku === 'string' &&
    SKU.test(sku) &&
    typeof quantity === 'number' &&
    Number.isInteger(quantity) &&
    quantity >= 1 &&
    quantity <= MOST_UNITS
  );
}

function unique(lines: readonly BasketLine[]): boolean {
  return new Set(lines.map((line) => line.sku)).size === lines.length;
}
