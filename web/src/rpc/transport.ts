/**
 * The way to the mesh: Connect (or gRPC-Web) from the browser to the edge, with the user's token, the contract's deadlines, and a
 * record of each call's trace.
 */

import { type Client, Code, ConnectError, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web';
import { MeshService } from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import { AvailabilityService } from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { PriceService } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import { CheckoutService } from '@weft/gen/weft/shipping/v1/checkout_service_pb.js';
import { ShipmentService } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import type { Protocol } from '../app/config.ts';
import { recordCall } from './calls.ts';
import { timeoutMsOf } from './policy.ts';

/** Response header in which the edge names the trace of a call. */
export const TRACE_HEADER = 'x-weft-trace-id';

/** The clients that the page uses. */
export type Rpc = {
  readonly items: Client<typeof ItemService>;
  readonly availability: Client<typeof AvailabilityService>;
  readonly prices: Client<typeof PriceService>;
  readonly checkout: Client<typeof CheckoutService>;
  readonly shipments: Client<typeof ShipmentService>;
  readonly mesh: Client<typeof MeshService>;
};

/** Where to call, how, and with whose token. */
export type RpcOptions = {
  readonly edgeUrl: string;
  readonly protocol: Protocol;
  /** The token to send with a call, asked at each call. */
  readonly token: () => string | undefined;
};

/** Makes the clients. */
export function createRpc(options: RpcOptions): Rpc {
  const settings = { baseUrl: options.edgeUrl, interceptors: [recordTraces, sendToken(options.token)] };
  const transport = withDeadlines(
    options.protocol === 'grpc-web' ? createGrpcWebTransport(settings) : createConnectTransport(settings),
  );
  return {
    items: createClient(ItemService, transport),
    availability: createClient(AvailabilityService, transport),
    prices: createClient(PriceService, transport),
    checkout: createClient(CheckoutService, transport),
    shipments: createClient(ShipmentService, transport),
    mesh: createClient(MeshService, transport),
  };
}

/** The trace of a call that failed; undefined when the answer did not come from the edge. */
export function traceIdOf(error: unknown): string | undefined {
  return error instanceof ConnectError ? (error.metadata.get(TRACE_HEADER) ?? undefined) : undefined;
}

/** Gives each unary call the deadline of its contract, unless the caller sets one. */
export function withDeadlines(transport: Transport): Transport {
  return {
    unary: (method, signal, timeoutMs, ...rest) =>
      transport.unary(method, signal, timeoutMs ?? timeoutMsOf(method), ...rest),
    stream: (method, ...rest) => transport.stream(method, ...rest),
  };
}

function sendToken(token: () => string | undefined): Interceptor {
  return (next) => (request) => {
    const text = token();
    if (text !== undefined) {
      request.header.set('authorization', `Bearer ${text}`);
    }
    return next(request);
  };
}

const recordTraces: Interceptor = (next) => async (request) => {
  const startedAtMs = Date.now();
  const started = performance.now();
  const record = (traceId: string | undefined, failed: boolean) =>
    recordCall({
      rpc: `${request.service.typeName}/${request.method.name}`,
      traceId,
      startedAtMs,
      durationMs: performance.now() - started,
      failed,
    });
  try {
    const response = await next(request);
    record(response.header.get(TRACE_HEADER) ?? undefined, false);
    return response;
  } catch (error) {
    if (!(error instanceof ConnectError && error.code === Code.Canceled)) {
      record(traceIdOf(error), true);
    }
    throw error;
  }
};
