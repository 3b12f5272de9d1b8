/** A carrier's table and cartons for tests, small enough to reckon with by hand. */

import { create } from '@bufbuild/protobuf';
import {
  CarrierRateSchema,
  CarrierServiceSchema,
  CarrierZoneSchema,
  CartonSchema,
} from '@weft/gen/weft/shipping/v1/rate_service_pb.js';

function service(serviceId: string, dimensionalDivisor: number, minTransitDays: number, maxTransitDays: number) {
  const name = `Alpenpost ${serviceId}`;
  return create(CarrierServiceSchema, { serviceId, name, dimensionalDivisor, minTransitDays, maxTransitDays });
}

/** A zone of Germany. */
export function zone(serviceId: string, name: string, originCountryCode: string, postalPrefix = '') {
  return create(CarrierZoneSchema, {
    serviceId,
    zone: name,
    originCountryCode,
    destinationCountryCode: 'DE',
    postalPrefix,
  });
}

/** A step in euros. */
export function step(serviceId: string, zoneName: string, maxWeightGrams: bigint, minorUnits: bigint) {
  return create(CarrierRateSchema, {
    serviceId,
    zone: zoneName,
    maxWeightGrams,
    price: { currencyCode: 'EUR', minorUnits },
  });
}

export function carton(cartonId: string, sides: readonly [number, number, number], tareGrams: bigint, most: bigint) {
  const [lengthMm, widthMm, heightMm] = sides;
  const dimensions = { lengthMm, widthMm, heightMm };
  return create(CartonSchema, { cartonId, dimensions, tareGrams, maxContentGrams: most });
}

/** To Germany. Standard: up to 2 kg 4.99, up to 31.5 kg 9.99, from Britain 19.99. Express: 14.99 from Germany, islands 29.99. */
export const alpenpost = {
  services: [service('standard', 5_000, 2, 4), service('express', 0, 1, 1)],
  zones: [
    zone('standard', 'home', 'DE'),
    zone('standard', 'abroad', 'GB'),
    zone('express', 'home', 'DE'),
    zone('express', 'island', 'DE', '27'),
    zone('express', 'far', 'DE', '27 49-8'),
  ],
  rates: [
    step('standard', 'home', 2_000n, 499n),
    step('standard', 'home', 31_500n, 999n),
    step('standard', 'abroad', 31_500n, 1_999n),
    step('express', 'home', 31_500n, 1_499n),
    step('express', 'island', 31_500n, 2_999n),
    step('express', 'far', 31_500n, 4_999n),
  ],
};

/** One that holds two mugs, and one that holds a pot. */
export const cartons = [carton('s', [300, 200, 150], 160n, 5_000n), carton('m', [400, 300, 200], 330n, 12_000n)];
