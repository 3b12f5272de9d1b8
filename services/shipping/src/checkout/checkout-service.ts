/**
 * weft.shipping.v1.CheckoutService: from a basket to one binding offer.
 */

import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import type { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import {
  type Allocation,
  type PlanSourcingResponse,
  type ReservationService,
  SourcingStrategy,
} from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import type { Quote, QuoteService } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import {
  type CheckoutService,
  type PrepareCheckoutRequest,
  PrepareCheckoutRequestSchema,
  type PrepareCheckoutResponse,
  PrepareCheckoutResponseSchema,
} from '@weft/gen/weft/shipping/v1/checkout_service_pb.js';
import type { Package } from '@weft/gen/weft/shipping/v1/package_pb.js';
import type { Rate } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { ShipmentLineSchema } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import type { Address } from '@weft/gen/weft/type/v1/address_pb.js';
import { once } from '@weft/runtime/data/idempotency';
import { transaction } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { currentCall } from '@weft/runtime/server/call';
import { principal } from '@weft/runtime/server/caller';
import { isCurrency } from '@weft/values/currency';
import type { Pool } from 'pg';
import type { Callee } from '../callee.ts';
import { sidesOf } from '../packing/box.ts';
import { addUp, type Demand, fetchItems, fetchOthers } from '../packing/goods.ts';
import { planPackages, readCartons } from '../packing/plan.ts';
import { issueRates } from '../rates/issue-rates.ts';
import type { Parcel } from '../rates/rating.ts';
import { derivedRequestId } from '../request-ids.ts';
import { required } from '../required.ts';
import { firstAnswer } from './answered.ts';
import { offerEnd, storeCheckout } from './checkouts.ts';
import { chooseRate } from './choose-rate.ts';
import { checkDestination } from './destination.ts';
import { batchesOf, originCountries } from './origins.ts';

/** What the service leans on. */
export type CheckoutServiceParts = {
  readonly pool: Pool;
  /** Key of the rate ids. */
  readonly key: Uint8Array;
  readonly items: Callee<typeof ItemService>;
  readonly reservations: Callee<typeof ReservationService>;
  readonly quotes: Callee<typeof QuoteService>;
};

/** Goods and the way they go: what the quote is asked for. */
type Plan = {
  readonly demand: Demand;
  readonly allocations: readonly Allocation[];
  readonly packages: readonly Package[];
  readonly rates: readonly Rate[];
  readonly rate: Rate;
};

/** Lines that one reservation takes, as inventory's contract says. */
const ALLOCATIONS_MAX = 500;

/** Makes the service. */
export function checkoutService(parts: CheckoutServiceParts): ServiceImpl<typeof CheckoutService> {
  return {
    async prepareCheckout(request) {
      const options = {
        rpc: 'weft.shipping.v1.CheckoutService/PrepareCheckout',
        requestId: request.requestId,
        requestSchema: PrepareCheckoutRequestSchema,
        request,
        responseSchema: PrepareCheckoutResponseSchema,
      };
      const first = await firstAnswer(parts.pool, options);
      if (first !== undefined) {
        return first;
      }
      const destination = required(request.destination, 'destination');
      checkDestination(destination);
      if (!isCurrency(request.currencyCode)) {
        throw fail('CURRENCY_UNSUPPORTED', `${request.currencyCode} is no currency of ISO 4217.`, {
          currency_code: request.currencyCode,
        });
      }
      const plan = await planDelivery(parts, request, destination);
      const quote = await askForQuote(parts, request, destination, plan);
      // Of two that prepare the same request at once, the first to commit answers both.
      return await transaction(parts.pool, (tx) =>
        once(tx, options, async () => {
          const expireTime = offerEnd(
            required(quote.expireTime, 'quote.expire_time'),
            required(plan.rate.expireTime, 'rate.expire_time'),
          );
          const names = new Map(quote.lines.map(({ sku, name }) => [sku, name]));
          await storeCheckout(tx, {
            quoteId: quote.quoteId,
            customerId: quote.customerId,
            lines: [...plan.demand].map(([sku, quantity]) =>
              create(ShipmentLineSchema, { sku, quantity, name: names.get(sku) ?? '' }),
            ),
            destination,
            rate: plan.rate,
            packages: plan.packages,
            allocations: plan.allocations,
            total: required(quote.total, 'quote.total'),
            expireTime,
          });
          return responseOf(quote, plan, expireTime);
        }),
      );
    },
  };
}

/** Sources and packs the goods, asks the carriers and chooses one. */
async function planDelivery(
  { pool, key, items, reservations }: CheckoutServiceParts,
  request: PrepareCheckoutRequest,
  destination: Address,
): Promise<Plan> {
  const demand = addUp(request.lines);
  const [bySku, sourcing, cartons] = await Promise.all([
    fetchItems(items, [...demand.keys()]),
    reservations.planSourcing({
      lines: [...demand].map(([sku, quantity]) => ({ sku, quantity })),
      destinationCountryCode: destination.countryCode,
      strategy: SourcingStrategy.FEWEST_SPLITS,
    }),
    readCartons(pool),
  ]);
  checkSourced(sourcing);
  // What is packed of a kit are its components, which only the sourcing names.
  const packed = await fetchOthers(
    items,
    bySku,
    sourcing.allocations.map(({ sku }) => sku),
  );
  const packages = planPackages(batchesOf(sourcing.allocations, packed), cartons);
  const countries = originCountries(sourcing.allocations);
  const parcels = packages.map((box) => parcelOf(box, countries));
  const rates = await issueRates(pool, key, { parcels, destination, currencyCode: request.currencyCode });
  return { demand, allocations: sourcing.allocations, packages, rates, rate: chooseRate(rates, request) };
}

/**
 * @throws INSUFFICIENT_STOCK that tells of the first shortage, as inventory does.
 * @throws TOO_MANY_PACKAGES when the goods come in more parts than one reservation holds.
 */
function checkSourced({ shortages, allocations }: PlanSourcingResponse): void {
  const [first] = shortages;
  if (first !== undefined) {
    const { sku, requestedQuantity: requested, availableQuantity: available } = first;
    throw fail('INSUFFICIENT_STOCK', `${sku}: ${requested} asked for, ${available} available`, {
      sku,
      requested: `${requested}`,
      available: `${available}`,
    });
  }
  if (allocations.length > ALLOCATIONS_MAX) {
    throw fail('TOO_MANY_PACKAGES', 'The goods come from too many places; split the order.', {
      max_allocations: `${ALLOCATIONS_MAX}`,
    });
  }
}

function parcelOf(box: Package, countries: ReadonlyMap<string, string>): Parcel {
  return {
    originCountryCode: countries.get(box.originLocationId) ?? '',
    sides: sidesOf(required(box.dimensions, 'package.dimensions')),
    weightGrams: Number(box.weightGrams),
  };
}

/**
 * Has pricing make the quote. The request's id is derived from the caller's and from what is asked, the rate included: whoever
 * repeats the work exactly gets the same quote, and who repeats it later, with a rate of then, another one.
 */
async function askForQuote(
  { quotes }: CheckoutServiceParts,
  request: PrepareCheckoutRequest,
  destination: Address,
  { demand, rate }: Plan,
): Promise<Quote> {
  const { quote } = await quotes.createQuote({
    requestId: derivedRequestId('checkout', principal(), request.requestId, rate.rateId),
    lines: [...demand].map(([sku, quantity]) => ({ sku, quantity })),
    currencyCode: request.currencyCode,
    destination,
    shippingCharge: { rateId: rate.rateId, name: rate.name, charge: required(rate.charge, 'rate.charge') },
    customerId: currentCall()?.caller.subject ?? '',
  });
  return required(quote, 'quote');
}

function responseOf(quote: Quote, plan: Plan, expireTime: Date): PrepareCheckoutResponse {
  return create(PrepareCheckoutResponseSchema, {
    quote,
    packages: [...plan.packages],
    rates: [...plan.rates],
    rateId: plan.rate.rateId,
    expireTime: timestampFromDate(expireTime),
  });
}
