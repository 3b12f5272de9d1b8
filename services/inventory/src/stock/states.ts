/**
 * The states that units are in, as what they are counted in: each unit is in one state, and each state is counted in one or two of a
 * level's balances. Booking units in, out or from state to state is adding to those.
 */

import { StockState } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { type Level, MAX_UNITS, removable } from './level.ts';
import { freeOfLot, type Lot } from './lots.ts';

/** A state that is named; UNSPECIFIED is AVAILABLE. */
export type NamedState = Exclude<StockState, StockState.UNSPECIFIED>;

type Balance = 'onHand' | 'damaged' | 'qualityControl' | 'incoming' | 'safety';

/** Units added to balances. */
export type Units = { readonly [balance in Balance]: bigint };

/** What units of a state are counted in. */
const COUNTED_IN: { readonly [state in NamedState]: readonly Balance[] } = {
  [StockState.AVAILABLE]: ['onHand'],
  [StockState.DAMAGED]: ['onHand', 'damaged'],
  [StockState.QUALITY_CONTROL]: ['onHand', 'qualityControl'],
  [StockState.INCOMING]: ['incoming'],
  [StockState.SAFETY]: ['onHand', 'safety'],
};

const NOTHING: Units = { onHand: 0n, damaged: 0n, qualityControl: 0n, incoming: 0n, safety: 0n };

/** The state as text, for people. */
const NAMES: { readonly [state in NamedState]: string } = {
  [StockState.AVAILABLE]: 'free',
  [StockState.DAMAGED]: 'damaged',
  [StockState.QUALITY_CONTROL]: 'in quality control',
  [StockState.INCOMING]: 'on the way',
  [StockState.SAFETY]: 'kept back',
};

/** What the units are called that may leave a state. */
export function nameOf(state: NamedState): string {
  return NAMES[state];
}

/** The state that is meant. */
export function namedState(state: StockState): NamedState {
  return state === StockState.UNSPECIFIED ? StockState.AVAILABLE : state;
}

/** What it means to add units to a state, or, negative, to take them off. */
export function unitsIn(state: NamedState, quantity: bigint): Units {
  return Object.fromEntries(
    Object.entries(NOTHING).map(([balance]) => [balance, isCountedIn(state, balance) ? quantity : 0n]),
  ) as Units;
}

function isCountedIn(state: NamedState, balance: string): boolean {
  return COUNTED_IN[state].some((one) => one === balance);
}

/** What it means to move units from state to state. */
export function unitsMoved(from: NamedState, to: NamedState, quantity: bigint): Units {
  const [left, entered] = [unitsIn(from, -quantity), unitsIn(to, quantity)];
  return {
    onHand: left.onHand + entered.onHand,
    damaged: left.damaged + entered.damaged,
    qualityControl: left.qualityControl + entered.qualityControl,
    incoming: left.incoming + entered.incoming,
    safety: left.safety + entered.safety,
  };
}

/** Whether units of a lot are booked: those on hand are, while what is on the way or kept back is of no lot. */
export function isOfLot({ onHand, damaged, qualityControl }: Units): boolean {
  return onHand !== 0n || damaged !== 0n || qualityControl !== 0n;
}

/**
 * Units that may leave a state for another, or, where none is named, for good. Promised ones never may; those that are kept back are
 * promised to nobody, so they may be taken off what is free, but not be kept back once more.
 *
 * @param lot the lot that they are of; undefined for items that are not kept by lot and for what is of no lot.
 * @param transferred units on the way that belong to transfers, which TransferService alone receives.
 */
export function unitsFree(
  from: NamedState,
  to: NamedState | undefined,
  level: Level,
  { lot, transferred = 0n }: { readonly lot?: Lot | undefined; readonly transferred?: bigint },
): bigint {
  const free = lot === undefined ? removable(level) : smaller(removable(level), freeOfLot(lot));
  switch (from) {
    case StockState.AVAILABLE:
      return to === StockState.SAFETY ? free - level.safety : free;
    case StockState.DAMAGED:
      return lot?.damaged ?? level.damaged;
    case StockState.QUALITY_CONTROL:
      return lot?.qualityControl ?? level.qualityControl;
    case StockState.INCOMING:
      return level.incoming - transferred;
    case StockState.SAFETY:
      // Keeping fewer back is always possible, also of what is not there.
      return to === StockState.AVAILABLE ? level.safety : smaller(level.safety, free);
  }
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** Whether the level stays within bounds when units are added to it. */
export function isWithinBounds(level: Level, units: Units): boolean {
  return (
    level.onHand + units.onHand <= MAX_UNITS &&
    level.incoming + units.incoming <= MAX_UNITS &&
    level.safety + units.safety <= MAX_UNITS
  );
}
