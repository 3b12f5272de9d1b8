/**
 * What every client process of a benchmark can be asked: to call, in a closed loop of so many callers, and to check what it
 * is answered. A client is wrapped so that a call is a promise of a typed message, which is what all of them are used for.
 */

import { create, equals } from '@bufbuild/protobuf';
import {
  type Blob,
  BlobSchema,
  type PlaceOrderRequest,
  PlaceOrderRequestSchema,
  type PlaceOrderResponse,
  PlaceOrderResponseSchema,
} from '../contract.ts';
import { acceptedMessage, BLOBS, blobs, ORDERS, orderRequests, WATCHED_ORDERS } from '../orders.ts';

/** How to start a client. */
export type ClientOptions = {
  /** `host:port` of the server that is called. */
  readonly address: string;
  /** A checkout whose runtime is used instead of this one's: the path of its folder `runtime`. */
  readonly runtime?: string;
  /** The bare client: whether it uses the codec of this runtime. */
  readonly ourCodec?: boolean;
  /** Starts telemetry, as the environment says. */
  readonly telemetry?: boolean;
};

/** A client, as it is measured. Each unary call has a deadline of DEADLINE_MS. */
export type BenchClient = {
  placeOrder(request: PlaceOrderRequest): Promise<PlaceOrderResponse>;
  /** Reads a stream to its end; absent where the protocol at hand is measured for unary calls only. */
  watchOrder?(request: PlaceOrderRequest, each: (update: PlaceOrderResponse) => void): Promise<void>;
  echoBlob?(request: Blob): Promise<Blob>;
};

/** What to call: WatchOrder where `updates` are asked for, EchoBlob where `blobBytes` are, PlaceOrder otherwise. */
export type ClientCall = { readonly updates?: number; readonly blobBytes?: number };
export type ClientDrive = ClientCall & { readonly callers: number; readonly ms: number; readonly calls?: number };
export type ClientCommands = {
  /** Makes each call once and compares the answers; how many calls that were. */
  verify(call: ClientCall): Promise<number>;
  /** Messages of a stream count as calls. */
  drive(options: ClientDrive): Promise<{ calls: number; ms: number }>;
};

/** One call, and how many it counts as: `index` chooses the message, `isWhole` asks for the whole answer to be compared. */
type CallOne = (index: number, isWhole: boolean) => Promise<number>;
type Calls = { readonly different: number; readonly one: CallOne };

export function clientCommands(client: BenchClient): ClientCommands {
  const callsOf = ({ updates = 0, blobBytes }: ClientCall): Calls => {
    if (blobBytes !== undefined) {
      return { different: BLOBS, one: echoBlob(client, blobBytes) };
    }
    return updates > 0
      ? { different: WATCHED_ORDERS, one: watchOrder(client, updates) }
      : { different: ORDERS, one: placeOrder(client) };
  };
  return {
    async verify(call) {
      const { different, one } = callsOf(call);
      for (let index = 0; index < different; index += 1) {
        await one(index, true);
      }
      return different;
    },
    async drive({ callers, ms, calls: most = Number.POSITIVE_INFINITY, ...call }) {
      const { different, one } = callsOf(call);
      const startedMs = performance.now();
      const endMs = startedMs + ms;
      let begun = 0;
      let calls = 0;
      const caller = async (): Promise<void> => {
        while (begun < most && performance.now() < endMs) {
          const index = begun % different;
          begun += 1;
          const counted = await one(index, false);
          calls += counted;
        }
      };
      await Promise.all(Array.from({ length: callers }, caller));
      return { calls, ms: performance.now() - startedMs };
    },
  };
}

function placeOrder(client: BenchClient): CallOne {
  const requests = orderRequests(ORDERS);
  return async (index, isWhole) => {
    const request = at(requests, index);
    const answer = await client.placeOrder(request);
    const isRight = isWhole
      ? equals(PlaceOrderResponseSchema, acceptedMessage(request), answer)
      : answer.requestId === request.requestId && answer.order?.lines.length === request.order?.lines.length;
    if (!isRight) {
      throw new Error(`order ${request.requestId} was answered with another, ${answer.requestId}`);
    }
    return 1;
  };
}

function watchOrder(client: BenchClient, updates: number): CallOne {
  const requests = orderRequests(WATCHED_ORDERS).map((request) =>
    create(PlaceOrderRequestSchema, { ...request, updates }),
  );
  return async (index, isWhole) => {
    const request = at(requests, index);
    let seen = 0;
    await client.watchOrder?.(request, (update) => {
      const isRight = isWhole
        ? equals(PlaceOrderResponseSchema, acceptedMessage(request, seen), update)
        : update.sequence === BigInt(seen);
      if (!isRight) {
        throw new Error(`message ${seen} of a stream is another, ${update.sequence}`);
      }
      seen += 1;
    });
    if (seen !== updates) {
      throw new Error(`a stream of ${updates} messages had ${seen}`);
    }
    return seen;
  };
}

function echoBlob(client: BenchClient, bytes: number): CallOne {
  const requests = blobs(bytes);
  return async (index, isWhole) => {
    const request = at(requests, index % requests.length);
    const answer = await client.echoBlob?.(request);
    const isRight =
      answer !== undefined &&
      (isWhole ? equals(BlobSchema, request, answer) : answer.data.length === request.data.length);
    if (!isRight) {
      throw new Error(`a blob of ${bytes} bytes came back as another`);
    }
    return 1;
  };
}

function at<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value === undefined) {
    throw new Error(`there is no message ${index}`);
  }
  return value;
}
