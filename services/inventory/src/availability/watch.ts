/**
 * The stream of availability: how it is for each SKU, then every change that can be seen. A hold that runs out is seen when
 * the sweep tidies it, within a second or two.
 */

import { equals } from '@bufbuild/protobuf';
import {
  type Availability,
  AvailabilitySchema,
  type WatchAvailabilityRequest,
} from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import type { Changefeed } from '@weft/runtime/data/changefeed';
import type { Change } from '@weft/runtime/data/changes';
import { changed, lasting } from '@weft/runtime/data/watching';
import { STOCK, stockKeyOf } from '../changes.ts';
import { availabilityOf } from './availability.ts';
import type { MarketReader } from './market-reader.ts';

/** Messages of WatchAvailability. */
export function watchAvailability(
  readMarket: MarketReader,
  changefeed: Changefeed,
  { resumeToken, skus, destinationCountryCode: country }: WatchAvailabilityRequest,
  signal: AbortSignal,
) {
  /** What the reader was told last: most changes of stock make no difference to it. */
  const told = new Map<string, Availability>();
  const read = async (asked: readonly string[]): Promise<Availability[]> => {
    const market = await readMarket(asked, signal);
    const news = asked
      .map((sku) => availabilityOf(market, sku, country))
      .filter((now) => !isSame(told.get(now.sku), now));
    for (const availability of news) {
      told.set(availability.sku, availability);
    }
    return news;
  };
  return lasting(
    changefeed.watch<Availability>({
      topic: STOCK,
      scope: `availability ${country} ${[...skus].sort().join(' ')}`,
      resumeToken,
      signal,
      // Not from the listing's own snapshot but from a later one, which the changes after that snapshot lead up to all the same.
      list: async function* () {
        yield await read(skus);
      },
      read: async (changes) => {
        const asked = concerned(skus, changes);
        return asked.length === 0 ? [] : (await read(asked)).map(changed);
      },
    }),
  );
}

/** Which of the SKUs these changes may matter to: a change of a location matters to all. */
function concerned(skus: readonly string[], changes: readonly Change[]): readonly string[] {
  const named = new Set(changes.map((change) => stockKeyOf(change).sku));
  return named.has('') ? skus : skus.filter((sku) => named.has(sku));
}

function isSame(a: Availability | undefined, b: Availability): boolean {
  return a !== undefined && equals(AvailabilitySchema, a, b);
}
