/** connect-node's Connect transport as its documentation shows it, with JSON, over HTTP/2. */

import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { DEADLINE_MS, OrderService } from '../contract.ts';
import { type ClientCommands, type ClientOptions, clientCommands } from './drive.ts';

export async function start({ address }: ClientOptions): Promise<ClientCommands> {
  const transport = createConnectTransport({ baseUrl: `http://${address}`, httpVersion: '2', useBinaryFormat: false });
  const client = createClient(OrderService, transport);
  return clientCommands({ placeOrder: (request) => client.placeOrder(request, { timeoutMs: DEADLINE_MS }) });
}
