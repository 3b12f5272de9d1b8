/**
 * Live availability of what is on the screen and in the basket: one stream for the whole page, opened anew when something comes into
 * view that it does not carry yet.
 */

import { timestampDate } from '@bufbuild/protobuf/wkt';
import { type Availability, AvailabilityService } from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import { createContext, use, useEffect, useSyncExternalStore } from 'react';
import { createStore, type Store } from '../app/store.ts';
import { announceStream } from '../rpc/context.ts';
import { idleTimeoutMsOf } from '../rpc/policy.ts';
import type { Rpc } from '../rpc/transport.ts';
import { placeIn, watch } from '../rpc/watch.ts';

/** What can be sold, capped by the server. `known` is false when the item is not sold any more. */
export type Level = {
  /** Units in stock. */
  readonly units: number;
  /** Units that can be ordered beyond those, and are sent when they have come in. */
  readonly laterUnits: number;
  /** When it comes out, if that is yet to come. */
  readonly releaseDate: Date | undefined;
  readonly known: boolean;
};

/** Whether none can be ordered, now or for later; not while nothing is known. */
export function isSoldOut(level: Level | undefined): boolean {
  return level !== undefined && level.units === 0 && level.laterUnits === 0;
}

/** The server counts no further: so many means so many or more. */
export const CAP = 100;

/** At this many or fewer the shop says how many are left. */
const LOW = 10;

/** Most SKUs that one stream carries, by the contract. */
const MOST_SKUS = 200;

/** Scrolling brings cards one after the other; the stream waits until it rests. */
const SETTLE_MS = 250;

/** Chooses which SKUs the next stream carries: all that are wanted, then those carried before, as far as there is room. */
export function chooseSkus(wanted: readonly string[], carried: readonly string[]): readonly string[] {
  return [...new Set([...wanted, ...carried])].slice(0, MOST_SKUS);
}

/** The words for a level. */
export function describeLevel(level: Level | undefined): { text: string; tone: 'unknown' | 'out' | 'low' | 'in' } {
  if (level === undefined) {
    return { text: 'Checking stock', tone: 'unknown' };
  }
  if (!level.known) {
    return { text: 'Not sold any more', tone: 'out' };
  }
  if (isSoldOut(level)) {
    return { text: 'Sold out', tone: 'out' };
  }
  if (level.releaseDate !== undefined) {
    return { text: `Preorder: out on ${RELEASE_DAY.format(level.releaseDate)}`, tone: 'low' };
  }
  if (level.units === 0) {
    return { text: 'On backorder', tone: 'low' };
  }
  if (level.units <= LOW) {
    return { text: `Only ${level.units} left`, tone: 'low' };
  }
  return { text: level.units >= CAP ? `${CAP}+ in stock` : `${level.units} in stock`, tone: 'in' };
}

const RELEASE_DAY = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });

function levelOf({ sellableQuantity, backorderQuantity, releaseTime, known }: Availability): Level {
  return {
    units: sellableQuantity,
    laterUnits: backorderQuantity,
    releaseDate: releaseTime === undefined ? undefined : timestampDate(releaseTime),
    known,
  };
}

/** The page's one stream of availability. */
export class AvailabilityFeed {
  readonly levels: Store<ReadonlyMap<string, Level>> = createStore<ReadonlyMap<string, Level>>(new Map());
  readonly #rpc: Rpc;
  readonly #wanted = new Map<string, number>();
  #country = '';
  #carried: readonly string[] = [];
  #stop: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(rpc: Rpc) {
    this.#rpc = rpc;
  }

  /** Follows an item until the function that it returns is called. */
  want(sku: string): () => void {
    this.#wanted.set(sku, (this.#wanted.get(sku) ?? 0) + 1);
    this.#settle();
    return () => {
      const count = (this.#wanted.get(sku) ?? 1) - 1;
      if (count === 0) {
        this.#wanted.delete(sku);
      } else {
        this.#wanted.set(sku, count);
      }
      this.#settle();
    };
  }

  /** Counts only what ships to this country; empty counts all. */
  shipTo(country: string): void {
    if (country !== this.#country) {
      this.#country = country;
      this.#carried = [];
      this.levels.set(new Map());
      this.#settle();
    }
  }

  #settle(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), SETTLE_MS);
  }

  #open(): void {
    const wanted = [...this.#wanted.keys()];
    if (wanted.length === 0) {
      this.#stop?.();
      this.#stop = undefined;
      this.#carried = [];
      return;
    }
    if (this.#stop !== undefined && wanted.every((sku) => this.#carried.includes(sku))) {
      return;
    }
    this.#stop?.();
    const skus = chooseSkus(wanted, this.#carried);
    this.#carried = skus;
    const destinationCountryCode = this.#country;
    const controller = new AbortController();
    const announce = announceStream();
    this.#stop = () => {
      controller.abort();
      announce(undefined);
    };
    void watch({
      open: (resumeToken, signal) =>
        this.#rpc.availability.watchAvailability({ skus: [...skus], resumeToken, destinationCountryCode }, { signal }),
      placeOf: placeIn,
      onMessage: ({ event }) => {
        if (event.case === 'changed') {
          this.levels.set(new Map(this.levels.get()).set(event.value.sku, levelOf(event.value)));
        }
      },
      onStatus: announce,
      idleTimeoutMs: idleTimeoutMsOf(AvailabilityService.method.watchAvailability),
      signal: controller.signal,
    });
  }
}

export const AvailabilityContext = createContext<AvailabilityFeed | undefined>(undefined);

/** An item's availability, live while `active`: while its card is in view. */
export function useAvailability(sku: string, active = true): Level | undefined {
  const feed = use(AvailabilityContext);
  if (feed === undefined) {
    throw new Error('useAvailability is for components below AvailabilityContext');
  }
  useEffect(() => (active ? feed.want(sku) : undefined), [feed, sku, active]);
  return useSyncExternalStore(feed.levels.subscribe, () => feed.levels.get().get(sku));
}
