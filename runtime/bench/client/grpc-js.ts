/** grpc-js with the same codec, all defaults, its callback turned into a promise, as services use it. */

import { Metadata } from '@grpc/grpc-js';
import { grpcClient } from '../../src/client/grpc.ts';
import { DEADLINE_MS, OrderService, type PlaceOrderResponse } from '../contract.ts';
import { type ClientCommands, type ClientOptions, clientCommands } from './drive.ts';

export async function start({ address }: ClientOptions): Promise<ClientCommands> {
  const client = grpcClient(OrderService, address);
  return clientCommands({
    placeOrder: (request) =>
      new Promise((resolve, reject) => {
        const options = { deadline: Date.now() + DEADLINE_MS };
        client.placeOrder(request, new Metadata(), options, (error, answer) => {
          if (answer === undefined) {
            reject(error ?? new Error('neither an error nor an answer'));
          } else {
            resolve(answer);
          }
        });
      }),
    async watchOrder(request, each) {
      const updates: AsyncIterable<PlaceOrderResponse> = client.watchOrder(request);
      for await (const update of updates) {
        each(update);
      }
    },
  });
}
