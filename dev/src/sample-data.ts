/** The sample shop (dev/sample) as the messages that import it. */
import { createHash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { type Timestamp, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Item, ItemSchema, OutOfStockPolicy } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { type Location, LocationSchema } from '@weft/gen/weft/inventory/v1/location_pb.js';
import { type StockRow, StockRowSchema } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { type Price, PriceSchema } from '@weft/gen/weft/pricing/v1/price_pb.js';
import { type TaxRate, TaxRateSchema } from '@weft/gen/weft/pricing/v1/tax_rate_pb.js';
import {
  type CarrierRate,
  CarrierRateSchema,
  type CarrierService,
  CarrierServiceSchema,
  type CarrierZone,
  CarrierZoneSchema,
  type Carton,
  CartonSchema,
} from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { carrierIds, cell, groupBy, int, type Row, readRows, readText, sides } from '../sample/rows.ts';

export interface RateTable {
  carrierId: string;
  services: CarrierService[];
  zones: CarrierZone[];
  rates: CarrierRate[];
}

/**
 * The request id under which a part of the sample is imported: the same part with the same content always has the same
 * (a UUID of version 8 made from a hash), so that an import that broke off is repeated without doing anything twice.
 */
export function requestId(part: string, content: string): string {
  const hex = createHash('sha256').update(`weft sample ${part}\n${content}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Kits come last: their components have to be there. */
export function sampleItems(): Item[] {
  const kits = groupBy(readRows('kits.csv'), 'kit_sku');
  const policies = new Map(readRows('stock-policies.csv').map((row) => [cell(row, 'sku'), row]));
  const items = readRows('items.csv').map((row) =>
    create(ItemSchema, {
      sku: cell(row, 'sku'),
      name: cell(row, 'name'),
      description: cell(row, 'description'),
      category: cell(row, 'category'),
      gtin: cell(row, 'gtin'),
      weightGrams: int(row, 'weight_grams'),
      dimensions: dimensions(row),
      taxCategory: cell(row, 'tax_category'),
      customsCode: cell(row, 'customs_code'),
      originCountryCode: cell(row, 'origin_country_code'),
      components: (kits.get(cell(row, 'sku')) ?? []).map((part) => ({
        sku: cell(part, 'sku'),
        quantity: BigInt(int(part, 'quantity')),
      })),
      ...stockPolicy(policies.get(cell(row, 'sku'))),
    }),
  );
  return [...items.filter((item) => !isKit(item)), ...items.filter(isKit)];
}

/** Whether an item consists of others. */
export function isKit({ components }: Item): boolean {
  return components.length > 0;
}

const policyNames = new Map([
  ['DENY', OutOfStockPolicy.DENY],
  ['BACKORDER', OutOfStockPolicy.BACKORDER],
]);

function stockPolicy(row: Row | undefined) {
  if (row === undefined) return {};
  const outOfStockPolicy = policyNames.get(cell(row, 'out_of_stock_policy'));
  if (outOfStockPolicy === undefined) throw new Error(`no such policy: ${JSON.stringify(row)}`);
  return {
    outOfStockPolicy,
    backorderLimit: BigInt(int(row, 'backorder_limit')),
    lotTracked: cell(row, 'lot_tracked') === 'true',
  };
}

export function sampleLocations(): Location[] {
  const entries: SampleLocation[] = JSON.parse(readText('locations.json'));
  return entries.map((entry) =>
    create(LocationSchema, {
      locationId: entry.location_id,
      name: entry.name,
      address: {
        recipient: entry.address.recipient,
        lines: entry.address.lines,
        city: entry.address.city,
        regionCode: entry.address.region_code,
        postalCode: entry.address.postal_code,
        countryCode: entry.address.country_code,
      },
      timeZone: entry.time_zone,
      pickPriority: entry.pick_priority,
      servedCountryCodes: entry.served_country_codes,
    }),
  );
}

export function sampleStock(): StockRow[] {
  return readRows('stock.csv').map((row) =>
    create(StockRowSchema, {
      sku: cell(row, 'sku'),
      locationId: cell(row, 'location_id'),
      onHand: BigInt(int(row, 'on_hand')),
      safety: BigInt(int(row, 'safety')),
    }),
  );
}

export function sampleLots(): StockRow[] {
  return readRows('lots.csv').map((row) =>
    create(StockRowSchema, {
      sku: cell(row, 'sku'),
      locationId: cell(row, 'location_id'),
      lotId: cell(row, 'lot_id'),
      lotExpireTime: timestampFromDate(new Date(cell(row, 'lot_expire_time'))),
      onHand: BigInt(int(row, 'on_hand')),
      safety: BigInt(int(row, 'safety')),
    }),
  );
}

export function samplePrices(): Price[] {
  return readRows('prices.csv').map((row) =>
    create(PriceSchema, {
      sku: cell(row, 'sku'),
      unitPrice: money(row),
      minQuantity: BigInt(int(row, 'min_quantity')),
      taxInclusive: cell(row, 'tax_inclusive') === 'true',
    }),
  );
}

export function sampleTaxRates(): TaxRate[] {
  return readRows('tax-rates.csv').map((row) => {
    const endTime = instant(cell(row, 'end_time'));
    return create(TaxRateSchema, {
      jurisdiction: cell(row, 'jurisdiction'),
      taxCategory: cell(row, 'tax_category'),
      ratePpm: int(row, 'rate_ppm'),
      name: cell(row, 'name'),
      startTime: instant(cell(row, 'start_time')),
      ...(endTime === undefined ? {} : { endTime }),
    });
  });
}

export function sampleRateTables(): RateTable[] {
  return carrierIds.map((carrierId) => ({
    carrierId,
    services: readRows(`carriers/${carrierId}/services.csv`).map((row) =>
      create(CarrierServiceSchema, {
        serviceId: cell(row, 'service_id'),
        name: cell(row, 'name'),
        dimensionalDivisor: int(row, 'dimensional_divisor'),
        minTransitDays: int(row, 'min_transit_days'),
        maxTransitDays: int(row, 'max_transit_days'),
      }),
    ),
    zones: readRows(`carriers/${carrierId}/zones.csv`).map((row) =>
      create(CarrierZoneSchema, {
        serviceId: cell(row, 'service_id'),
        zone: cell(row, 'zone'),
        originCountryCode: cell(row, 'origin_country_code'),
        destinationCountryCode: cell(row, 'destination_country_code'),
        postalPrefix: cell(row, 'postal_prefix'),
      }),
    ),
    rates: readRows(`carriers/${carrierId}/rates.csv`).map((row) =>
      create(CarrierRateSchema, {
        serviceId: cell(row, 'service_id'),
        zone: cell(row, 'zone'),
        maxWeightGrams: BigInt(int(row, 'max_weight_grams')),
        price: money(row),
      }),
    ),
  }));
}

export function sampleCartons(): Carton[] {
  return readRows('cartons.csv').map((row) =>
    create(CartonSchema, {
      cartonId: cell(row, 'carton_id'),
      dimensions: dimensions(row),
      tareGrams: BigInt(int(row, 'tare_grams')),
      maxContentGrams: BigInt(int(row, 'max_content_grams')),
    }),
  );
}

interface SampleLocation {
  location_id: string;
  name: string;
  address: {
    recipient: string;
    lines: string[];
    city: string;
    region_code: string;
    postal_code: string;
    country_code: string;
  };
  time_zone: string;
  pick_priority: number;
  served_country_codes: string[];
}

function dimensions(row: Row): { lengthMm: number; widthMm: number; heightMm: number } {
  const [lengthMm, widthMm, heightMm] = sides(row);
  return { lengthMm, widthMm, heightMm };
}

function money(row: Row): { currencyCode: string; minorUnits: bigint } {
  return { currencyCode: cell(row, 'currency_code'), minorUnits: BigInt(int(row, 'minor_units')) };
}

/** An RFC 3339 text; undefined for an empty cell. */
function instant(text: string): Timestamp | undefined {
  return text === '' ? undefined : timestampFromDate(new Date(text));
}
