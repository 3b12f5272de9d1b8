/** grpc-js with the same codec, all defaults, its callback turned into a promise, as services use it. */

import { Metadata, type requestCallback } from '@grpc/grpc-js';
import { grpcClient } from '../../src/client/grpc.ts';
import { DEADLINE_MS, OrderService, type PlaceOrderResponse } from '../contract.ts';
import { type ClientCommands, type ClientOptions, clientCommands } from './drive.ts';

export async function start({ address }: ClientOptions): Promise<ClientCommands> {
  const client = grpcClient(OrderService, address);
  const options = () => ({ deadline: Date.now() + DEADLINE_MS });
  return clientCommands({
    placeOrder: (request) => promised((done) => client.placeOrder(request, new Metadata(), options(), done)),
    echoBlob: (request) => promised((done) => client.echoBlob(request, new Metadata(), options(), done)),
    async watchOrder(request, each) {
      const updates: AsyncIterable<PlaceOrderResponse> = client.watchOrder(request);
      for await (const update of updates) {
        each(update);
      }
    },
  });
}

function promised<T>(call: (done: requestCallback<T>) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, answer) => {
      if (answer === undefined) {
        reject(error ?? new Error('neither an error nor an answer'));
      } else {
        resolve(answer);
      }
    });
  });
}
