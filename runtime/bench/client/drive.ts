/**
 * What every client process of a benchmark can be asked: to call, in a closed loop of so many callers, and to check what it
 * is answered. A client is wrapped so that a call is a promise of a typed message, which is what all of them are used for.
 */

import { create, equals } from '@bufbuild/protobuf';
import {
  type PlaceOrderRequest,
  PlaceOrderRequestSchema,
  type PlaceOrderResponse,
  PlaceOrderResponseSchema,
} from '../contract.ts';
import { acceptedMessage, orderRequests } from '../orders.ts';

/** Different requests that are sent in turn. */
const REQUESTS = 256;

/** How to start a client. */
export type ClientOptions = {
  /** `host:port` of the server that is called. */
  readonly address: string;
  /** A checkout whose runtime is used instead of this one's: the path of its folder `runtime`. */
  readonly runtime?: string;
  /** Starts telemetry, as the environment says. */
  readonly telemetry?: boolean;
};

/** A client, as it is measured. */
export type BenchClient = {
  /** A unary call with a deadline of DEADLINE_MS. */
  placeOrder(request: PlaceOrderRequest): Promise<PlaceOrderResponse>;
  /** Reads a stream to its end. */
  watchOrder?(request: PlaceOrderRequest, each: (update: PlaceOrderResponse) => void): Promise<void>;
};

export type ClientDrive = {
  readonly callers: number;
  readonly ms: number;
  readonly calls?: number;
  /** Watch streams of so many messages instead of placing orders; a message then counts as a call. */
  readonly updates?: number;
};

export type ClientCommands = {
  verify(options: { readonly updates?: number }): Promise<void>;
  drive(options: ClientDrive): Promise<{ calls: number; ms: number }>;
};

export function clientCommands(client: BenchClient): ClientCommands {
  const requests = orderRequests(REQUESTS);

  async function one(request: PlaceOrderRequest, updates: number): Promise<number> {
    if (updates === 0) {
      const { requestId, order } = await client.placeOrder(request);
      if (requestId !== request.requestId || order?.lines.length !== request.order?.lines.length) {
        throw new Error(`an order was answered with another: ${requestId}`);
      }
      return 1;
    }
    let seen = 0;
    await client.watchOrder?.(request, ({ sequence }) => {
      if (sequence !== BigInt(seen)) {
        throw new Error(`message ${seen} of a stream is number ${sequence}`);
      }
      seen += 1;
    });
    if (seen !== updates) {
      throw new Error(`a stream of ${updates} messages had ${seen}`);
    }
    return seen;
  }
  const prepared = (updates: number): PlaceOrderRequest[] =>
    updates === 0 ? requests : requests.map((request) => create(PlaceOrderRequestSchema, { ...request, updates }));

  return {
    async verify({ updates = 0 }) {
      for (const request of prepared(updates)) {
        if (updates > 0) {
          await one(request, updates);
        } else if (!equals(PlaceOrderResponseSchema, acceptedMessage(request), await client.placeOrder(request))) {
          throw new Error(`a wrong answer to ${request.requestId}`);
        }
      }
    },
    async drive({ callers, ms, calls: most = Number.POSITIVE_INFINITY, updates = 0 }) {
      const sent = prepared(updates);
      const startedMs = performance.now();
      const endMs = startedMs + ms;
      let begun = 0;
      let calls = 0;
      const caller = async (): Promise<void> => {
        while (begun < most && performance.now() < endMs) {
          const request = sent[begun % sent.length];
          begun += 1;
          const made = request === undefined ? 0 : await one(request, updates);
          calls += made;
        }
      };
      await Promise.all(Array.from({ length: callers }, caller));
      return { calls, ms: performance.now() - startedMs };
    },
  };
}
