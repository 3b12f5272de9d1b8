/**
 * What inventory tells its watchers. A change carries no more than the name of what changed: watchers read how it is now, so
 * that a thousand of them cost one reading and no bytes in the log are for nothing.
 *
 * Availability has no topic of its own. It changes with stock, and with the items and locations that the stock is of, which
 * therefore are told on the topic of stock as well, with one half of the key left empty.
 */

import type { Change, NewChange } from '@weft/runtime/data/changes';

export const ITEMS = 'items';
export const RESERVATIONS = 'reservations';
export const STOCK = 'stock';

const NOTHING = new Uint8Array();

/** The item is another now. */
export function itemChange(sku: string): NewChange {
  return { topic: ITEMS, key: sku, payload: NOTHING };
}

/** The item began or ceased to be for sale. */
export function saleChange(sku: string): NewChange {
  return stockChange({ sku, locationId: '' });
}

/** The location is another now, or gone. */
export function locationChange(locationId: string): NewChange {
  return stockChange({ sku: '', locationId });
}

/** The stock of an item at a location is another now. */
export function stockChange({ sku, locationId }: { readonly sku: string; readonly locationId: string }): NewChange {
  return { topic: STOCK, key: `${sku} ${locationId}`, payload: NOTHING };
}

/** The reservation is another now. */
export function reservationChange(reservationId: string): NewChange {
  return { topic: RESERVATIONS, key: reservationId, payload: NOTHING };
}

/** What a change on the topic of stock is about; one of the two may be empty. Neither can hold a space. */
export function stockKeyOf({ key }: Change): { sku: string; locationId: string } {
  const [sku = '', locationId = ''] = key.split(' ');
  return { sku, locationId };
}
