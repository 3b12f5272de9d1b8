/**
 * Rate ids: what a carrier's service asks, signed, so that nothing need be stored for each of the many rates that are shown and
 * nobody can make one up. A rate id is `<payload>.<signature>`, both base64url; the payload is JSON, the signature its
 * HMAC-SHA256 (RFC 2104) under a key that never leaves shipping's database. Clients treat it as opaque.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';

/** What a rate id says. */
export type RateClaims = {
  readonly carrierId: string;
  readonly serviceId: string;
  readonly currencyCode: string;
  readonly minorUnits: bigint;
  /** Digest of the parcels and the destination that it is for. */
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly expireTimeMs: number;
};

type Payload = { v: 1; c: string; s: string; m: string; a: string; p: string; e: number };

const VERSION = 1;
/** As the contract bounds it. */
const RATE_ID_MAX_LENGTH = 1_024;
const SHAPE = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})$/;

/** Makes a rate id. The same claims and key give the same id. */
export function signRateId(claims: RateClaims, key: Uint8Array): string {
  const payload: Payload = {
    v: VERSION,
    c: claims.carrierId,
    s: claims.serviceId,
    m: claims.currencyCode,
    a: claims.minorUnits.toString(),
    p: claims.subject,
    e: claims.expireTimeMs,
  };
  const text = Buffer.from(JSON.stringify(payload)).toString('base64url');
  return `${text}.${signatureOf(text, key).toString('base64url')}`;
}

/**
 * What an id says, if this service issued it; undefined for anything else, altered in a single character or not. Says nothing
 * about whether it has expired: that is for the database's clock.
 */
export function readRateId(rateId: string, key: Uint8Array): RateClaims | undefined {
  const [, text, signature] = (rateId.length <= RATE_ID_MAX_LENGTH ? SHAPE.exec(rateId) : undefined) ?? [];
  if (text === undefined || signature === undefined) {
    return undefined;
  }
  // Compared as text too: the last character of base64url has bits that decoding ignores.
  const expected = signatureOf(text, key);
  const given = Buffer.from(signature, 'base64url');
  if (!timingSafeEqual(expected, given) || expected.toString('base64url') !== signature) {
    return undefined;
  }
  const payload = JSON.parse(Buffer.from(text, 'base64url').toString()) as Payload;
  return {
    carrierId: payload.c,
    serviceId: payload.s,
    currencyCode: payload.m,
    minorUnits: BigInt(payload.a),
    subject: payload.p,
    expireTimeMs: payload.e,
  };
}

function signatureOf(text: string, key: Uint8Array): Buffer {
  return createHmac('sha256', key).update(`weft rate id ${text}`).digest();
}
