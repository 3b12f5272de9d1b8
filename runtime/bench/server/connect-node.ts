/**
 * connect-node as its documentation shows it: `connectNodeAdapter` on an HTTP/2 server, all defaults.
 */

import { createServer } from 'node:http2';
import { Code, ConnectError } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { OrderService } from '../contract.ts';
import { handlers, listenAnywhere, type ServerCommands } from './handlers.ts';

export async function start(): Promise<ServerCommands> {
  const refuse = () => new ConnectError('the order is not what it should be', Code.InvalidArgument);
  const routes = connectNodeAdapter({ routes: (router) => router.service(OrderService, handlers(refuse)) });
  const address = await listenAnywhere(createServer(routes));
  return { address: () => address };
}
