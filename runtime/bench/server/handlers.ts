/**
 * What the servers of a benchmark have in common: how they are started, what they can be asked, and the handlers of those that
 * take plain Connect implementations.
 */

import { setMaxListeners } from 'node:events';
import type { Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import type { OrderService } from '../contract.ts';
import { accepted } from '../orders.ts';

/** How to start a server; those that have no such thing refuse what they do not know. */
export type ServerOptions = {
  /** A checkout whose runtime is served instead of this one's: the path of its folder `runtime`. */
  readonly runtime?: string;
  /** The bare server: whether it uses the codec of this runtime. */
  readonly ourCodec?: boolean;
  /** How many interceptors that do nothing run before the handler. */
  readonly interceptors?: number;
  /** Limits so wide that nothing meets them. */
  readonly unlimited?: boolean;
  /** Starts telemetry, as the environment says. */
  readonly telemetry?: boolean;
};

/** What a server process can be asked. */
export type ServerCommands = {
  /** `host:port`. */
  address(): string;
};

/** The handlers of ours and of connect-node. `refuse` makes the error of RefuseOrder. */
export function handlers(refuse: () => Error): ServiceImpl<typeof OrderService> {
  return {
    placeOrder: (request) => accepted(request),
    refuseOrder() {
      throw refuse();
    },
    holdOrder: async (request, context) => {
      await aborted(context);
      return accepted(request);
    },
    async *watchOrder(request) {
      for (let sequence = 0; sequence < request.updates; sequence += 1) {
        yield accepted(request, sequence);
      }
    },
    echoBlob: ({ data }) => ({ data }),
  };
}

async function aborted({ signal }: HandlerContext): Promise<void> {
  setMaxListeners(0, signal);
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** Listens on a free port of the loopback. */
export async function listenAnywhere(server: Http2Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
