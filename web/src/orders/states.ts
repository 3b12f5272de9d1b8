/**
 * The states of an order, in words.
 */

import { ShipmentState } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';

/** What a state means for the customer. */
export type StateWords = { readonly label: string; readonly tone: 'busy' | 'good' | 'over' | 'bad' };

const WORDS: Readonly<Record<ShipmentState, StateWords>> = {
  [ShipmentState.UNSPECIFIED]: { label: 'Unknown', tone: 'busy' },
  [ShipmentState.PENDING]: { label: 'Being placed', tone: 'busy' },
  [ShipmentState.RESERVED]: { label: 'Stock set aside', tone: 'busy' },
  [ShipmentState.CONFIRMED]: { label: 'Confirmed', tone: 'good' },
  [ShipmentState.CANCELLING]: { label: 'Being cancelled', tone: 'busy' },
  [ShipmentState.CANCELLED]: { label: 'Cancelled', tone: 'over' },
  [ShipmentState.FAILED]: { label: 'Not placed', tone: 'bad' },
};

/** A state in words; a state that this page does not know yet is told as such. */
export function describeState(state: ShipmentState): StateWords {
  return WORDS[state] ?? WORDS[ShipmentState.UNSPECIFIED];
}

/** The way of an order that goes well. */
export const HAPPY_PATH: readonly ShipmentState[] = [
  ShipmentState.PENDING,
  ShipmentState.RESERVED,
  ShipmentState.CONFIRMED,
];

/** Whether the customer can still cancel. */
export function isCancellable(state: ShipmentState): boolean {
  return state === ShipmentState.CONFIRMED;
}
