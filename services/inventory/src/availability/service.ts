/**
 * AvailabilityService: what its RPCs are made of.
 */

import type { ServiceImpl } from '@connectrpc/connect';
import type { AvailabilityService } from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import type { Changefeed } from '@weft/runtime/data/changefeed';
import { currentCall } from '@weft/runtime/server/call';
import type { Database } from '../database.ts';
import { availabilityOf } from './availability.ts';
import { marketReader } from './market-reader.ts';
import { availabilityWatch } from './watch.ts';

/** Makes the service on a database. */
export function availabilityService(
  { sql }: Database,
  changefeed: Changefeed,
): ServiceImpl<typeof AvailabilityService> {
  const readMarket = marketReader(sql);
  const watchAvailability = availabilityWatch(sql, readMarket, changefeed);
  return {
    async batchGetAvailability({ skus, destinationCountryCode }) {
      const market = await readMarket(skus, currentCall()?.signal);
      return { availabilities: skus.map((sku) => availabilityOf(market, sku, destinationCountryCode)) };
    },

    watchAvailability: (request, { signal }) => watchAvailability(request, signal),
  };
}
