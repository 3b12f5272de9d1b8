/**
 * Inventory as it must behave, in memory and in a few lines: one location, plain arithmetic, no clock and nobody else. The real one is
 * compared with it after every command (commands.ts).
 */

/** One item. A kit has components and nothing else. */
export type ModelItem = {
  readonly components: ReadonlyMap<string, bigint>;
  readonly backorderLimit: bigint;
  onHand: bigint;
  damaged: bigint;
  incoming: bigint;
  safety: bigint;
};

/** What a reservation holds of one item. */
export type ModelHold = { quantity: bigint; backordered: bigint; committed: bigint };

export type ModelReservation = {
  state: 'HELD' | 'CONFIRMED' | 'COMMITTED' | 'RELEASED' | 'EXPIRED';
  readonly holds: Map<string, ModelHold>;
};

/** What a command did, as its caller sees it: undefined when it succeeded, else the reason. */
export type Outcome = string | undefined;

export class Model {
  readonly items = new Map<string, ModelItem>();
  /** In the order in which they were made. */
  readonly reservations: ModelReservation[] = [];

  constructor(items: Record<string, Partial<Pick<ModelItem, 'components' | 'backorderLimit'>>>) {
    for (const [sku, { components = new Map(), backorderLimit = 0n }] of Object.entries(items)) {
      this.items.set(sku, { components, backorderLimit, onHand: 0n, damaged: 0n, incoming: 0n, safety: 0n });
    }
  }

  item(sku: string): ModelItem {
    const item = this.items.get(sku);
    if (item === undefined) throw new Error(`the model has no ${sku}`);
    return item;
  }

  reserved(sku: string): bigint {
    return this.#sum(sku, ({ quantity, committed }) => quantity - committed);
  }

  backordered(sku: string): bigint {
    return this.#sum(sku, ({ backordered }) => backordered);
  }

  available(sku: string): bigint {
    const { onHand, damaged, safety } = this.item(sku);
    return onHand - this.reserved(sku) - damaged - safety;
  }

  /** Units that can be had of what is in stock. */
  sellable(sku: string): bigint {
    return positive(this.available(sku));
  }

  /** Units that can be had of what is in stock, or of what is yet to come. */
  promisable(sku: string): bigint {
    return this.sellable(sku) + positive(this.item(sku).backorderLimit - this.backordered(sku));
  }

  /** Units that may be taken away without breaking a promise. */
  removable(sku: string): bigint {
    const { onHand, damaged } = this.item(sku);
    return onHand - damaged - (this.reserved(sku) - this.backordered(sku));
  }

  /** What units of an item take from the stock. */
  needs(sku: string, quantity: bigint): Map<string, bigint> {
    const { components } = this.item(sku);
    return components.size === 0
      ? new Map([[sku, quantity]])
      : new Map([...components].map(([part, each]) => [part, each * quantity]));
  }

  /** Everything or nothing. */
  reserve(lines: readonly { sku: string; quantity: bigint }[]): Outcome {
    const needed = new Map<string, bigint>();
    for (const { sku, quantity } of lines) {
      for (const [part, units] of this.needs(sku, quantity)) {
        needed.set(part, (needed.get(part) ?? 0n) + units);
      }
    }
    if ([...needed].some(([sku, units]) => units > this.promisable(sku))) {
      return 'INSUFFICIENT_STOCK';
    }
    const holds = new Map<string, ModelHold>();
    for (const [sku, quantity] of needed) {
      holds.set(sku, { quantity, backordered: positive(quantity - this.sellable(sku)), committed: 0n });
    }
    this.reservations.push({ state: 'HELD', holds });
    return undefined;
  }

  confirm(reservation: ModelReservation): Outcome {
    if (reservation.state === 'EXPIRED') return 'RESERVATION_EXPIRED';
    if (reservation.state !== 'HELD' && reservation.state !== 'CONFIRMED') return 'RESERVATION_STATE';
    reservation.state = 'CONFIRMED';
    return undefined;
  }

  release(reservation: ModelReservation): Outcome {
    if (reservation.state === 'COMMITTED') return 'RESERVATION_STATE';
    if (isActive(reservation)) this.#end(reservation, 'RELEASED');
    return undefined;
  }

  expire(reservation: ModelReservation): Outcome {
    if (reservation.state === 'HELD') this.#end(reservation, 'EXPIRED');
    return undefined;
  }

  /** All that remains, or as much as one unit of each item. */
  commit(reservation: ModelReservation, part: boolean): Outcome {
    if (reservation.state !== 'CONFIRMED') return 'RESERVATION_STATE';
    const leaving = [...reservation.holds]
      .map(([sku, hold]) => ({ sku, hold, remaining: hold.quantity - hold.committed }))
      .filter(({ remaining }) => remaining > 0n)
      .map((one) => ({ ...one, units: part ? 1n : one.remaining }));
    if (leaving.some(({ hold, remaining, units }) => units > remaining - hold.backordered)) return 'BACKORDER_PENDING';
    for (const { sku, hold, units } of leaving) {
      hold.committed += units;
      this.item(sku).onHand -= units;
    }
    if ([...reservation.holds.values()].every(({ quantity, committed }) => quantity === committed)) {
      reservation.state = 'COMMITTED';
    }
    return undefined;
  }

  /** Adds to what is available, or, negative, takes off. */
  adjust(sku: string, delta: bigint): Outcome {
    if (delta < 0n && -delta > this.removable(sku)) return 'INSUFFICIENT_STOCK';
    this.item(sku).onHand += delta;
    this.#serve(sku);
    return undefined;
  }

  damage(sku: string, units: bigint): Outcome {
    if (units > this.removable(sku)) return 'INSUFFICIENT_STOCK';
    this.item(sku).damaged += units;
    return undefined;
  }

  repair(sku: string, units: bigint): Outcome {
    if (units > this.item(sku).damaged) return 'INSUFFICIENT_STOCK';
    this.item(sku).damaged -= units;
    this.#serve(sku);
    return undefined;
  }

  expect(sku: string, units: bigint): Outcome {
    this.item(sku).incoming += units;
    return undefined;
  }

  receive(sku: string, units: bigint): Outcome {
    const item = this.item(sku);
    if (units > item.incoming) return 'INSUFFICIENT_STOCK';
    item.incoming -= units;
    item.onHand += units;
    this.#serve(sku);
    return undefined;
  }

  setSafety(sku: string, units: bigint): Outcome {
    this.item(sku).safety = units;
    this.#serve(sku);
    return undefined;
  }

  setOnHand(sku: string, expected: bigint, units: bigint): Outcome {
    const item = this.item(sku);
    if (expected !== item.onHand) return 'STOCK_CHANGED';
    return this.adjust(sku, units - expected);
  }

  #end(reservation: ModelReservation, state: 'RELEASED' | 'EXPIRED'): void {
    reservation.state = state;
    for (const [sku, hold] of reservation.holds) {
      hold.backordered = 0n;
      this.#serve(sku);
    }
  }

  /** Who waits is served from what is free, who came first at first. */
  #serve(sku: string): void {
    for (const reservation of this.reservations.filter(isActive)) {
      const hold = reservation.holds.get(sku);
      const free = this.available(sku) + this.backordered(sku);
      if (hold !== undefined && free > 0n) {
        hold.backordered -= hold.backordered < free ? hold.backordered : free;
      }
    }
  }

  #sum(sku: string, units: (hold: ModelHold) => bigint): bigint {
    let sum = 0n;
    for (const { holds } of this.reservations.filter(isActive)) {
      const hold = holds.get(sku);
      sum += hold === undefined ? 0n : units(hold);
    }
    return sum;
  }
}

/** Whether it holds stock. */
export function isActive({ state }: ModelReservation): boolean {
  return state === 'HELD' || state === 'CONFIRMED';
}

function positive(units: bigint): bigint {
  return units > 0n ? units : 0n;
}
