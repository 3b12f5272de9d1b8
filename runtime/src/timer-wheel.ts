/**
 * Deadlines by the thousand: a hashed timing wheel (Varghese and Lauck, 1987), driven by one timer of Node. Nearly every deadline is
 * cancelled long before it is due, and setting and cancelling one costs no more here than linking and unlinking an object.
 */

/** What happens when time is up: a function, or an object that is told. */
export type Expiring = (() => void) | { onExpire(): void };

/** Something that is due. */
export type WheelEntry = {
  /** It is due no more; no effect once it was told. */
  cancel(): void;
};

/** How finely time is told, in milliseconds: nothing is told early, and nothing later than this. */
const TICK_MS = 2;
/** A power of two; one round is about a second. Entries that are due later than that are passed over once a round. */
const SLOTS = 512;
const SLOT_MASK = SLOTS - 1;

class Entry implements WheelEntry {
  readonly dueTick: number;
  readonly #expiring: Expiring | undefined;
  readonly #wheel: TimerWheel | undefined;
  previous: Entry;
  next: Entry;

  constructor(dueTick: number, expiring?: Expiring, wheel?: TimerWheel) {
    this.dueTick = dueTick;
    this.#expiring = expiring;
    this.#wheel = wheel;
    this.previous = this;
    this.next = this;
  }

  get isLinked(): boolean {
    return this.next !== this;
  }

  link(head: Entry): void {
    this.previous = head.previous;
    this.next = head;
    head.previous.next = this;
    head.previous = this;
  }

  unlink(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.previous = this;
    this.next = this;
  }

  cancel(): void {
    if (this.isLinked) {
      this.unlink();
      this.#wheel?.forget();
    }
  }

  tell(): void {
    const expiring = this.#expiring;
    if (typeof expiring === 'function') {
      expiring();
    } else {
      expiring?.onExpire();
    }
  }
}

/** A wheel of deadlines. It does not keep the process alive. */
export class TimerWheel {
  /** Heads of circular lists: the entries whose due tick falls on the slot, in this round or a later one. */
  readonly #slots = Array.from({ length: SLOTS }, () => new Entry(0));
  readonly #startMs = performance.now();
  #size = 0;
  /** Every tick up to this one has been told. */
  #toldTick = 0;
  #timer: NodeJS.Timeout | undefined;

  /** How many entries are due. */
  get size(): number {
    return this.#size;
  }

  /**
   * Tells `expiring` once, after at least `delayMs` and at most a tick (2 ms) more, as far as the event loop is free. What it
   * throws is thrown as an uncaught exception.
   *
   * @param delayMs in milliseconds; what is not above 0 is due at the next tick. No upper limit.
   */
  schedule(delayMs: number, expiring: Expiring): WheelEntry {
    const nowTick = this.#now();
    if (this.#size === 0) {
      // Nothing was due while the wheel stood still.
      this.#toldTick = Math.floor(nowTick);
    }
    const dueTick = Math.max(Math.ceil(nowTick + Math.max(0, delayMs) / TICK_MS), this.#toldTick + 1);
    const entry = new Entry(dueTick, expiring, this);
    entry.link(this.#slot(dueTick));
    this.#size += 1;
    this.#timer ??= this.#wake();
    return entry;
  }

  /** An entry was cancelled. */
  forget(): void {
    this.#size -= 1;
  }

  #now(): number {
    return (performance.now() - this.#startMs) / TICK_MS;
  }

  #slot(tick: number): Entry {
    const slot = this.#slots[tick & SLOT_MASK];
    if (slot === undefined) {
      throw new Error(`no slot for tick ${tick}`);
    }
    return slot;
  }

  #wake(): NodeJS.Timeout {
    const timer = setTimeout(() => this.#turn(), TICK_MS);
    timer.unref();
    return timer;
  }

  #turn(): void {
    this.#timer = undefined;
    const nowTick = Math.floor(this.#now());
    const due: Entry[] = [];
    // After a long pause each slot needs to be looked at once, not once for each round that was missed.
    const firstTick = Math.max(this.#toldTick + 1, nowTick - SLOT_MASK);
    for (let tick = firstTick; tick <= nowTick && this.#size > 0; tick += 1) {
      const head = this.#slot(tick);
      for (let entry = head.next; entry !== head; ) {
        const { next } = entry;
        if (entry.dueTick <= nowTick) {
          entry.unlink();
          this.#size -= 1;
          due.push(entry);
        }
        entry = next;
      }
    }
    this.#toldTick = Math.max(this.#toldTick, nowTick);
    if (this.#size > 0) {
      this.#timer = this.#wake();
    }
    for (const entry of due) {
      entry.tell();
    }
  }
}

/** The wheel that all calls of a process share. */
export const timers = new TimerWheel();
