/**
 * A customer of the sample shop, for the tests of this folder: talks to the edge in the protocol of their choice, fills a
 * basket, has it priced and orders it.
 */

import { randomUUID } from 'node:crypto';
import type { DescService } from '@bufbuild/protobuf';
import { type Client, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';
import { CheckoutService, type PrepareCheckoutResponse } from '@weft/gen/weft/shipping/v1/checkout_service_pb.js';
import type { PackingLine } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { type Shipment, ShipmentService } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import type { Address } from '@weft/gen/weft/type/v1/address_pb.js';
import { onTestFinished } from 'vitest';
import type { TestMesh } from '../../dev/src/testing.ts';

/** The three protocols that the edge speaks. */
export const PROTOCOLS = ['gRPC', 'gRPC-Web', 'Connect'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Plain fields of a message. */
type Fields<T> = Omit<T, '$typeName' | '$unknown'>;

export const BERLIN: Fields<Address> = {
  recipient: 'Ada Beispiel',
  lines: ['Torstraße 1'],
  city: 'Berlin',
  regionCode: '',
  postalCode: '10119',
  countryCode: 'DE',
};

/** Some of what the sample shop always has. */
export const BASKET: readonly Fields<PackingLine>[] = [
  { sku: 'COF-HOUSE-ESPRESSO-250', quantity: 2n },
  { sku: 'BOK-PICT-OWL-MOON', quantity: 1n },
];

/** What a caller needs of a mesh, the shared one or one of a test's own. */
export type Edge = Pick<TestMesh, 'edgeUrl' | 'token'>;

/** Somebody who calls through the edge. */
export type Caller = {
  of<S extends DescService>(service: S): Client<S>;
  readonly subject: string;
};

/** What a caller is. */
export type CallerOptions = {
  /** Absent: a name of their own. */
  readonly subject?: string;
  /** Absent: all scopes; `none`: no token at all. */
  readonly scopes?: readonly string[] | 'none';
  /** A token to show instead. */
  readonly token?: string;
  readonly protocol?: Protocol;
  /** Headers sent along with each call. */
  readonly headers?: Readonly<Record<string, string>>;
};

/** A caller of the mesh's edge, whose connection is closed when the test is over. */
export async function callerOf(mesh: Edge, options: CallerOptions = {}): Promise<Caller> {
  const subject = options.subject ?? `customer-${randomUUID().slice(0, 8)}`;
  const scopes = options.scopes ?? undefined;
  const token =
    options.token ??
    (scopes === 'none' ? undefined : await mesh.token({ subject, ...(scopes === undefined ? {} : { scopes }) }));
  const sessionManager = new Http2SessionManager(mesh.edgeUrl);
  onTestFinished(() => sessionManager.abort());
  const headers: Interceptor = (next) => (request) => {
    if (token !== undefined) request.header.set('authorization', `Bearer ${token}`);
    for (const [name, value] of Object.entries(options.headers ?? {})) request.header.set(name, value);
    return next(request);
  };
  const transport = transportOf(options.protocol ?? 'gRPC', mesh.edgeUrl, sessionManager, headers);
  return { subject, of: (service) => createClient(service, transport) };
}

function transportOf(
  protocol: Protocol,
  baseUrl: string,
  sessionManager: Http2SessionManager,
  headers: Interceptor,
): Transport {
  const common = { baseUrl, sessionManager, httpVersion: '2' as const, interceptors: [headers] };
  switch (protocol) {
    case 'gRPC':
      return createGrpcTransport(common);
    case 'gRPC-Web':
      return createGrpcWebTransport(common);
    case 'Connect':
      return createConnectTransport(common);
  }
}

/** Has a basket priced. */
export async function prepare(
  caller: Caller,
  lines: readonly Fields<PackingLine>[] = BASKET,
  destination: Fields<Address> = BERLIN,
): Promise<PrepareCheckoutResponse> {
  const request = { requestId: randomUUID(), lines: [...lines], destination, currencyCode: 'EUR' };
  return await caller.of(CheckoutService).prepareCheckout(request);
}

/** The order for what was priced. */
export function orderFor(
  offer: PrepareCheckoutResponse,
  lines: readonly Fields<PackingLine>[] = BASKET,
  destination: Fields<Address> = BERLIN,
) {
  const { quote, rateId } = offer;
  if (quote?.total === undefined) throw new Error('the offer has no total');
  return {
    requestId: randomUUID(),
    quoteId: quote.quoteId,
    lines: [...lines],
    destination,
    rateId,
    expectedTotal: quote.total,
  };
}

/** Has a basket priced and orders it. */
export async function buy(caller: Caller, lines: readonly Fields<PackingLine>[] = BASKET): Promise<Shipment> {
  const { shipment } = await caller.of(ShipmentService).placeShipment(orderFor(await prepare(caller, lines), lines));
  if (shipment === undefined) throw new Error('the answer has no shipment');
  return shipment;
}

/** What a call failed with. */
export async function failureOf(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    () => undefined,
    (error: unknown) => error,
  );
}
