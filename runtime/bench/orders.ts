/**
 * Seeded orders: each differs from the others, and every run and every comparator gets the same.
 */

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type Blob,
  BlobSchema,
  type PlaceOrderRequest,
  PlaceOrderRequestSchema,
  type PlaceOrderResponse,
  PlaceOrderResponseSchema,
} from './contract.ts';

const SEED = 20_261_126;
/** How many different messages are sent in turn: to place orders, to watch them, and as blobs of a size. */
export const ORDERS = 128;
export const WATCHED_ORDERS = 16;
export const BLOBS = 8;
const EPOCH_MS = 1_790_000_000_000;
const STREETS = ['Torstraße', 'Rue de la Paix', 'Baker Street', 'Calle de Alcalá', 'Main Street', 'Øster Farimagsgade'];
const CITIES = ['Berlin', 'Paris', 'London', 'Madrid', 'Portland', 'København'];
const COUNTRIES = ['DE', 'FR', 'GB', 'ES', 'US', 'DK'];
const GOODS = ['Chef knife', 'Cast iron pan', 'Linen apron', 'Espresso cup', 'Bread tin', 'Steel whisk', 'Oak board'];
const LETTERS = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';

/** Numbers in [0, 1) that look random and are the same in each run (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Requests to place orders of three lines. */
export function orderRequests(count: number): PlaceOrderRequest[] {
  const random = seeded(SEED);
  const upTo = (most: number): number => Math.floor(random() * most);
  const one = (words: readonly string[]): string => words[upTo(words.length)] ?? '';
  const code = (letters: number): string =>
    Array.from({ length: letters }, () => LETTERS.charAt(upTo(LETTERS.length))).join('');
  return Array.from({ length: count }, (_, index) => {
    const lines = Array.from({ length: 3 }, () => ({
      sku: `KIT-${code(5)}-${code(2)}`,
      title: `${one(GOODS)} ${10 + upTo(30)} cm`,
      quantity: 1 + upTo(12),
      unitPriceMinorUnits: BigInt(199 + upTo(50_000)),
    }));
    const total = lines.reduce((sum, line) => sum + BigInt(line.quantity) * line.unitPriceMinorUnits, 0n);
    return create(PlaceOrderRequestSchema, {
      requestId: `${code(8)}-${code(4)}-${code(4)}-${code(12)}`,
      order: {
        orderId: `O-${code(10)}`,
        customerId: `C-${code(8)}`,
        shipTo: {
          name: `${code(1)}. ${one(CITIES)}`,
          street: `${one(STREETS)} ${1 + upTo(200)}`,
          city: one(CITIES),
          postalCode: String(10_000 + upTo(89_999)),
          countryCode: one(COUNTRIES),
        },
        lines,
        currencyCode: 'EUR',
        totalMinorUnits: total,
        placedAtMs: BigInt(EPOCH_MS + index * 1_000 + upTo(1_000)),
        giftWrap: random() < 0.2,
      },
    });
  });
}

/** Blobs of one size. */
export function blobs(bytes: number): Blob[] {
  const random = seeded(SEED + bytes);
  return Array.from({ length: BLOBS }, () =>
    create(BlobSchema, { data: Uint8Array.from({ length: bytes }, () => Math.floor(random() * 256)) }),
  );
}

/** What every server answers: the same work in each, next to none. */
export function accepted(request: PlaceOrderRequest, sequence = 0): MessageInitShape<typeof PlaceOrderResponseSchema> {
  const answer: MessageInitShape<typeof PlaceOrderResponseSchema> = {
    requestId: request.requestId,
    state: 'ACCEPTED',
    sequence: BigInt(sequence),
  };
  if (request.order !== undefined) {
    answer.order = request.order;
  }
  return answer;
}

/** The answer as a message. */
export function acceptedMessage(request: PlaceOrderRequest, sequence = 0): PlaceOrderResponse {
  return create(PlaceOrderResponseSchema, accepted(request, sequence));
}
