/** connect-node's gRPC transport as its documentation shows it, all defaults. */

import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { DEADLINE_MS, OrderService } from '../contract.ts';
import { type ClientCommands, type ClientOptions, clientCommands } from './drive.ts';

export async function start({ address }: ClientOptions): Promise<ClientCommands> {
  const client = createClient(OrderService, createGrpcTransport({ baseUrl: `http://${address}` }));
  return clientCommands({
    placeOrder: (request) => client.placeOrder(request, { timeoutMs: DEADLINE_MS }),
    echoBlob: (request) => client.echoBlob(request, { timeoutMs: DEADLINE_MS }),
    async watchOrder(request, each) {
      for await (const update of client.watchOrder(request)) {
        each(update);
      }
    },
  });
}
