/**
 * Deadlines by the thousand: a hashed timing wheel (Varghese and Lauck, 1987), driven by one timer of Node. Nearly every deadline is
 * cancelled long before it is due, and setting and cancelling one costs no more here than linking and unlinking an object.
 */

/** What happens when time is up: a function, or an object that is told. */
export type Expiring = (() => void) | { onExpire(): void };

/** Something that is due. */
export type WheelEntry = {
  /** It is due no more, even where others that fell due with it are being told; no effect once it was told. */
  cancel(): void;
};

/** How finely time is told, in milliseconds. */
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
  /** Head of the list of those whose time is up and who are about to be told. */
  readonly #due = new Entry(0);
  readonly #startMs = performance.now();
  #size = 0;
  /** Every tick up to this one has been told. */
  #toldTick = 0;
  #timer: NodeJS.Timeout | undefined;
  /** The tick at which the timer goes off. */
  #wakeTick = 0;

  /** How many entries are due. */
  get size(): number {
    return this.#size;
  }

  /**
   * Tells `expiring` once, after at least `delayMs` and at most two ticks (4 ms) more, as far as the event loop is free: one since time
   * is told in whole ticks, one since the wheel may have turned a moment ago. What it throws is thrown as an uncaught exception, and
   * keeps nobody else from being told.
   *
   * @param delayMs in milliseconds; what is not above 0 is due at the next tick. No upper limit.
   * @throws RangeError for what is no number, which would never be due.
   */
  schedule(delayMs: number, expiring: Expiring): WheelEntry {
    if (Number.isNaN(delayMs)) {
      throw new RangeError('the delay is not a number');
    }
    const nowTick = this.#now();
    if (this.#size === 0) {
      // Nothing was due while the wheel stood still.
      this.#toldTick = Math.floor(nowTick);
    }
    const dueTick = Math.max(Math.ceil(nowTick + Math.max(0, delayMs) / TICK_MS), this.#toldTick + 1);
    const entry = new Entry(dueTick, expiring, this);
    entry.link(this.#slot(dueTick));
    this.#size += 1;
    this.#wakeBy(dueTick);
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

  /** Sleeps until a tick, at most a round: what is far off costs a look once a round. */
  #wakeBy(tick: number): void {
    const wakeTick = Math.min(tick, this.#toldTick + SLOTS);
    if (this.#timer !== undefined && this.#wakeTick <= wakeTick) {
      return;
    }
    clearTimeout(this.#timer);
    this.#wakeTick = wakeTick;
    this.#timer = setTimeout(() => this.#turn(), Math.max(1, Math.ceil((wakeTick - this.#now()) * TICK_MS)));
    this.#timer.unref();
  }

  /** The next tick whose slot holds anything, of this round or of a later one. */
  #nextTick(): number {
    let tick = this.#toldTick + 1;
    while (tick < this.#toldTick + SLOTS && !this.#slot(tick).isLinked) {
      tick += 1;
    }
    return tick;
  }

  #turn(): void {
    this.#timer = undefined;
    const nowTick = Math.floor(this.#now());
    // After a long pause each slot needs to be looked at once, not once for each round that was missed.
    const firstTick = Math.max(this.#toldTick + 1, nowTick - SLOT_MASK);
    for (let tick = firstTick; tick <= nowTick && this.#size > 0; tick += 1) {
      const head = this.#slot(tick);
      for (let entry = head.next; entry !== head; ) {
        const { next } = entry;
        if (entry.dueTick <= nowTick) {
          entry.unlink();
          entry.link(this.#due);
        }
        entry = next;
      }
    }
    this.#toldTick = Math.max(this.#toldTick, nowTick);
    // They stay linked until it is their turn, so that one who is told can still cancel those after it.
    for (let entry = this.#due.next; entry !== this.#due; entry = this.#due.next) {
      entry.unlink();
      this.#size -= 1;
      tell(entry);
    }
    if (this.#size > 0) {
      this.#wakeBy(this.#nextTick());
    }
  }
}

function tell(entry: Entry): void {
  try {
    entry.tell();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}

/** The wheel that all calls of a process share. */
export const timers = new TimerWheel();
