/**
 * grpc-js as its documentation shows it, all defaults, with the same codec: messages of protobuf-es.
 */

import { promisify } from 'node:util';
import * as grpc from '@grpc/grpc-js';
import { serviceDefinition } from '../../src/client/grpc.ts';
import { type Blob, OrderService, type PlaceOrderRequest, type PlaceOrderResponse } from '../contract.ts';
import { acceptedMessage } from '../orders.ts';
import type { ServerCommands } from './handlers.ts';

type Unary<I, O> = grpc.handleUnaryCall<I, O>;

const placeOrder: Unary<PlaceOrderRequest, PlaceOrderResponse> = (call, answer) => {
  answer(null, acceptedMessage(call.request));
};
const refuseOrder: Unary<PlaceOrderRequest, PlaceOrderResponse> = (_, answer) => {
  answer({ code: grpc.status.INVALID_ARGUMENT, details: 'the order is not what it should be' });
};
const holdOrder: Unary<PlaceOrderRequest, PlaceOrderResponse> = () => {};
const echoBlob: Unary<Blob, Blob> = (call, answer) => {
  answer(null, call.request);
};

/** Waits for `drain`, as a server must that does not want to keep a whole stream in memory. */
const watchOrder: grpc.handleServerStreamingCall<PlaceOrderRequest, PlaceOrderResponse> = (call) => {
  let sequence = 0;
  const write = (): void => {
    while (sequence < call.request.updates) {
      const goOn = call.write(acceptedMessage(call.request, sequence));
      sequence += 1;
      if (!goOn) {
        call.once('drain', write);
        return;
      }
    }
    call.end();
  };
  write();
};

export async function start(): Promise<ServerCommands> {
  const server = new grpc.Server({ 'grpc.max_receive_message_length': -1 });
  server.addService(
    serviceDefinition(OrderService) as unknown as grpc.ServiceDefinition,
    { placeOrder, refuseOrder, holdOrder, watchOrder, echoBlob } as unknown as grpc.UntypedServiceImplementation,
  );
  const bind = promisify(server.bindAsync.bind(server));
  const port = await bind('127.0.0.1:0', grpc.ServerCredentials.createInsecure());
  return { address: () => `127.0.0.1:${port}` };
}
