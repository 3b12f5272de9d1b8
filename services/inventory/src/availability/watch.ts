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
import type { Sql } from '@weft/runtime/data/pool';
import type { WatchedKeys } from '@weft/runtime/data/view';
import { changed } from '@weft/runtime/data/watching';
import { STOCK, stockKeyOf } from '../changes.ts';
import { type Market, readMarketNow } from '../reservations/supply.ts';
import { availabilityOf } from './availability.ts';
import type { MarketReader } from './market-reader.ts';

/** How available an item is now, by the country that it is to go to. */
type Supply = { readonly sku: string; readonly in: (countryCode: string) => Availability };

/** SKUs that are read at once. */
const READ_MAX = 1_000;

/** Makes WatchAvailability: what it gives are the messages of a stream. */
export function availabilityWatch(sql: Sql, readMarket: MarketReader, changefeed: Changefeed) {
  const view = changefeed.view<Supply>({
    topic: STOCK,
    async read(changes, watched) {
      const touched = await touchedBy(sql, changes, watched);
      const supplies = await readSupplies(sql, [...new Set(touched.flat())]);
      return touched.map((skus) =>
        skus.flatMap((sku) => supplies.get(sku) ?? []).map((supply) => ({ value: supply, keys: [supply.sku] })),
      );
    },
  });
  return ({ resumeToken, skus, destinationCountryCode: country }: WatchAvailabilityRequest, signal: AbortSignal) => {
    /** What the reader was told last: most changes of stock make no difference to it. */
    const told = new Map<string, Availability>();
    const tell = (now: Availability) => {
      const isNews = !isSame(told.get(now.sku), now);
      told.set(now.sku, now);
      return isNews ? changed(now) : undefined;
    };
    return view.watch({
      keys: skus,
      scope: `availability ${country} ${skus.toSorted().join(' ')}`,
      resumeToken,
      signal,
      async list() {
        const market = await readMarket(skus, signal);
        const events = skus.map((sku) => tell(availabilityOf(market, sku, country)));
        return { events: events.filter((event) => event !== undefined), next: undefined };
      },
      tell: (supply) => tell(supply.in(country)),
    });
  };
}

/** For each change the watched SKUs that it may matter to: the one it names and the kits that hold it; all when it is of a location. */
async function touchedBy(sql: Sql, changes: readonly Change[], watched: WatchedKeys): Promise<(readonly string[])[]> {
  // That a level became low is no news: that it changed is told beside it.
  const named = changes.map((change) => (change.payload.length > 0 ? undefined : stockKeyOf(change).sku));
  const kits = await readKits(sql, [...new Set(named.flatMap((sku) => sku || []))]);
  return named.map((sku) => {
    if (sku === undefined) {
      return [];
    }
    return sku === '' ? watched.all() : [sku, ...(kits.get(sku) ?? [])].filter((one) => watched.has(one));
  });
}

/** The kits that hold these items, at first hand or in a kit of theirs. */
async function readKits(sql: Sql, parts: readonly string[]): Promise<Map<string, string[]>> {
  if (parts.length === 0) {
    return new Map();
  }
  const { rows } = await sql.query<{ part: string; kits: string[] }>({
    name: 'availability_kits',
    text: `
      SELECT part, array_agg(DISTINCT kit) AS kits
      FROM (
        SELECT component_sku AS part, kit_sku AS kit FROM kit_components WHERE component_sku = ANY($1::text[])
        UNION ALL
        SELECT inner_kit.component_sku, outer_kit.kit_sku
        FROM kit_components inner_kit JOIN kit_components outer_kit ON outer_kit.component_sku = inner_kit.kit_sku
        WHERE inner_kit.component_sku = ANY($1::text[])) AS held
      GROUP BY part`,
    values: [parts],
  });
  return new Map(rows.map(({ part, kits }) => [part, kits]));
}

async function readSupplies(sql: Sql, skus: readonly string[]): Promise<Map<string, Supply>> {
  const supplies = new Map<string, Supply>();
  for (let index = 0; index < skus.length; index += READ_MAX) {
    const some = skus.slice(index, index + READ_MAX);
    const market = await readMarketNow(sql, some);
    for (const sku of some) {
      supplies.set(sku, supplyOf(market, sku));
    }
  }
  return supplies;
}

/** A thousand watchers of the same country cost one calculation. */
function supplyOf(market: Market, sku: string): Supply {
  const byCountry = new Map<string, Availability>();
  return {
    sku,
    in(countryCode) {
      const known = byCountry.get(countryCode) ?? availabilityOf(market, sku, countryCode);
      byCountry.set(countryCode, known);
      return known;
    },
  };
}

function isSame(a: Availability | undefined, b: Availability): boolean {
  return a !== undefined && equals(AvailabilitySchema, a, b);
}
