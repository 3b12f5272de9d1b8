/**
 * The contracts for users of @grpc/grpc-js: service definitions and typed clients made from the same descriptors, so that no
 * second code generator is needed.
 */

import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodBiDiStreaming,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { DEFAULT_LIMITS } from '../server/limits.ts';

/** The definition of one RPC, as grpc-js wants it. Requests may be given as plain objects. */
export type RpcDefinition<I extends DescMessage, O extends DescMessage> = grpc.MethodDefinition<
  MessageInitShape<I>,
  MessageShape<O>
>;

/** The definition of a service: its RPCs by their names in TypeScript, such as `getItem`. */
export type ServiceDefinition<Desc extends DescService> = {
  [Name in keyof Desc['method']]: Desc['method'][Name] extends { input: infer I; output: infer O }
    ? I extends DescMessage
      ? O extends DescMessage
        ? RpcDefinition<I, O>
        : never
      : never
    : never;
};

type Extra = [] | [metadata: grpc.Metadata] | [metadata: grpc.Metadata, options: Partial<grpc.CallOptions>];

/** The function of one RPC on a client. */
export type RpcFunction<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? (
        request: MessageInitShape<I>,
        ...rest: [...Extra, callback: grpc.requestCallback<MessageShape<O>>]
      ) => grpc.ClientUnaryCall
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, ...rest: Extra) => grpc.ClientReadableStream<MessageShape<O>>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (
            ...rest: [...Extra, callback: grpc.requestCallback<MessageShape<O>>]
          ) => grpc.ClientWritableStream<MessageInitShape<I>>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (...rest: Extra) => grpc.ClientDuplexStream<MessageInitShape<I>, MessageShape<O>>
          : never;

/** A grpc-js client of a service. */
export type GrpcClient<Desc extends DescService> = grpc.Client & {
  [Name in keyof Desc['method']]: RpcFunction<Desc['method'][Name]>;
};

/** How to reach the service. */
export type GrpcClientOptions = {
  /** Default: none, for the edge on this machine and for sidecars. */
  readonly credentials?: grpc.ChannelCredentials;
  /** The `:authority` to send: the callee's workload when `address` is a sidecar's outbound listener. */
  readonly authority?: string;
  /** Options of grpc-js itself; they win over those of the runtime. */
  readonly channel?: grpc.ChannelOptions;
};

/** The definition of a service for grpc-js clients and servers. */
export function serviceDefinition<Desc extends DescService>(service: Desc): ServiceDefinition<Desc> {
  const entries = service.methods.map((method) => [method.localName, rpcDefinition(method)]);
  return Object.fromEntries(entries);
}

/**
 * Makes a typed grpc-js client of a service.
 *
 * @param address `unix:path` or `host:port`, as everywhere.
 */
export function grpcClient<Desc extends DescService>(
  service: Desc,
  address: string,
  options: GrpcClientOptions = {},
): GrpcClient<Desc> {
  const ClientOfService = grpc.makeClientConstructor(serviceDefinition(service), service.typeName);
  const channel: grpc.ChannelOptions = {
    'grpc.max_receive_message_length': DEFAULT_LIMITS.readMaxBytes,
    'grpc.max_send_message_length': DEFAULT_LIMITS.writeMaxBytes,
    ...(options.authority === undefined ? {} : { 'grpc.default_authority': options.authority }),
    ...options.channel,
  };
  const client = new ClientOfService(address, options.credentials ?? grpc.credentials.createInsecure(), channel);
  // grpc-js adds the RPCs by name at run time; what they take and give follows from the definition above.
  return client as unknown as GrpcClient<Desc>;
}

function rpcDefinition(method: DescMethod): RpcDefinition<DescMessage, DescMessage> {
  const serialize = (schema: DescMessage) => (value: MessageInitShape<DescMessage>) =>
    Buffer.from(toBinary(schema, create(schema, value)));
  const deserialize = (schema: DescMessage) => (bytes: Buffer) => fromBinary(schema, bytes);
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: serialize(method.input),
    requestDeserialize: deserialize(method.input),
    responseSerialize: serialize(method.output),
    responseDeserialize: deserialize(method.output),
    originalName: method.localName,
  };
}
