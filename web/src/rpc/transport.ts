/**
 * The way to the mesh: Connect (or gRPC-Web) from the browser to the edge, with the user's token, the contract's deadlines, and a
 * record of each call's trace.
 */

import {
  type Client,
  Code,
  ConnectError,
  createClient,
  type Interceptor,
  type StreamRequest,
  type Transport,
  type UnaryRequest,
} from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web';
import { MeshService } from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import { AvailabilityService } from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { PriceService } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import { CheckoutService } from '@weft/gen/weft/shipping/v1/checkout_service_pb.js';
import { ShipmentService } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import type { Protocol } from '../app/config.ts';
import { recordCall } from './calls.ts';
import { scopesOf, timeoutMsOf } from './policy.ts';

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

/**
 * Sends the token. The edge refuses any call with a token that it does not accept, also to an RPC that is open to all; such a call is
 * made again without it, so that a stale token closes the orders but not the shop.
 */
export function sendToken(token: () => string | undefined): Interceptor {
  return (next) => async (request) => {
    const text = token();
    if (text === undefined) {
      return await next(request);
    }
    request.header.set('authorization', `Bearer ${text}`);
    if (scopesOf(request.method).length > 0) {
      return await next(request);
    }
    const repeat = await repeatable(request);
    try {
      return await next(repeat());
    } catch (error) {
      if (error instanceof ConnectError && error.code === Code.Unauthenticated) {
        request.header.delete('authorization');
        return await next(repeat());
      }
      throw error;
    }
  };
}

/** Makes a request that can be sent more than once: the messages of a stream are read off here. Browsers send one. */
async function repeatable(request: UnaryRequest | StreamRequest): Promise<() => UnaryRequest | StreamRequest> {
  if (!request.stream) {
    return () => request;
  }
  const messages = await Array.fromAsync(request.message);
  return () => ({
    ...request,
    message: (async function* () {
      yield* messages;
    })(),
  });
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
