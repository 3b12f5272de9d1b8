/**
 * weft.shipping.v1.RateService: packages, rates and the tables that rates come from.
 */

import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import type { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import {
  ImportRateTableRequestSchema,
  type ImportRateTableResponse,
  ImportRateTableResponseSchema,
  type RatedPackage,
  type RateService,
} from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { once } from '@weft/runtime/data/idempotency';
import { transaction } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import type { Pool } from 'pg';
import type { Callee } from '../callee.ts';
import { sidesOf } from '../packing/box.ts';
import { addUp, fetchItems, itemOf, packItemOf } from '../packing/goods.ts';
import { planPackages, readCartons } from '../packing/plan.ts';
import { issueRates } from './issue-rates.ts';
import { checkTable, gatherTable } from './rate-table.ts';
import type { Parcel } from './rating.ts';
import { storeTable } from './store-rate-table.ts';

/** What the service leans on. */
export type RateServiceParts = {
  readonly pool: Pool;
  /** Key of the rate ids. */
  readonly key: Uint8Array;
  readonly items: Callee<typeof ItemService>;
};

/** Makes the service. */
export function rateService({ pool, key, items }: RateServiceParts): ServiceImpl<typeof RateService> {
  return {
    async planPackages({ lines }) {
      const demand = addUp(lines);
      const [bySku, cartons] = await Promise.all([fetchItems(items, [...demand.keys()]), readCartons(pool)]);
      const packItems = [...demand].map(([sku, quantity]) => packItemOf(itemOf(bySku, sku), quantity));
      return { packages: planPackages([{ originLocationId: '', items: packItems }], cartons) };
    },

    async listRates({ packages, destination, currencyCode }) {
      if (destination === undefined) {
        throw fail('INVALID_FIELD', 'destination is required');
      }
      return { rates: await issueRates(pool, key, { parcels: packages.map(parcelOf), destination, currencyCode }) };
    },

    async importRateTable(chunks): Promise<ImportRateTableResponse> {
      const table = await gatherTable(chunks);
      return await transaction(pool, (tx) =>
        once(
          tx,
          {
            rpc: 'weft.shipping.v1.RateService/ImportRateTable',
            requestId: table.requestId,
            requestSchema: ImportRateTableRequestSchema,
            request: table,
            responseSchema: ImportRateTableResponseSchema,
          },
          async () => {
            checkTable(table);
            await storeTable(tx, table);
            return create(ImportRateTableResponseSchema, {
              serviceCount: table.services.length,
              zoneCount: table.zones.length,
              rateCount: table.rates.length,
              cartonCount: table.cartons.length,
            });
          },
        ),
      );
    },
  };
}

function parcelOf({ originCountryCode, dimensions, weightGrams }: RatedPackage): Parcel {
  return {
    originCountryCode,
    // The contract requires dimensions.
    sides: sidesOf(dimensions ?? { lengthMm: 1, widthMm: 1, heightMm: 1 }),
    weightGrams: Number(weightGrams),
  };
}
