/**
 * The suite's messages, as far as the programs under test look into them. Their descriptors are generated (suite.ts) and loaded
 * here; their types are written out here, since a checkout in which nothing was generated must type-check too. What each message and
 * field is for stands in the suite's own protos.
 */

import type { Message } from '@bufbuild/protobuf';
import type { GenMessage, GenService } from '@bufbuild/protobuf/codegenv2';
import type { Any } from '@bufbuild/protobuf/wkt';

export type Header = Message<'connectrpc.conformance.v1.Header'> & { name: string; value: string[] };
/** `code` is gRPC's number. */
export type SuiteError = Message<'connectrpc.conformance.v1.Error'> & {
  code: number;
  message?: string;
  details: Any[];
};
export type RequestInfo = Message<'connectrpc.conformance.v1.ConformancePayload.RequestInfo'> & {
  requestHeaders: Header[];
  timeoutMs?: bigint;
  requests: Any[];
  connectGetInfo?: Message & { queryParams: Header[] };
};
export type ConformancePayload = Message<'connectrpc.conformance.v1.ConformancePayload'> & {
  data: Uint8Array;
  requestInfo?: RequestInfo;
};

/** How to answer once. */
export type UnaryResponseDefinition = Message<'connectrpc.conformance.v1.UnaryResponseDefinition'> & {
  responseHeaders: Header[];
  response:
    | { case: 'responseData'; value: Uint8Array }
    | { case: 'error'; value: SuiteError }
    | { case: undefined; value?: undefined };
  responseTrailers: Header[];
  responseDelayMs: number;
};
/** How to answer with a stream. */
export type StreamResponseDefinition = Message<'connectrpc.conformance.v1.StreamResponseDefinition'> & {
  responseHeaders: Header[];
  responseData: Uint8Array[];
  responseDelayMs: number;
  error?: SuiteError;
  responseTrailers: Header[];
};

type Asks<Name extends string, Definition> = Message<`connectrpc.conformance.v1.${Name}Request`> & {
  responseDefinition?: Definition;
  requestData: Uint8Array;
};
type Answers<Name extends string> = Message<`connectrpc.conformance.v1.${Name}Response`> & {
  payload?: ConformancePayload;
};
export type BidiStreamRequest = Asks<'BidiStream', StreamResponseDefinition> & { fullDuplex: boolean };

type TlsCreds = Message<'connectrpc.conformance.v1.TLSCreds'> & { cert: Uint8Array; key: Uint8Array };
/** Which server the runner wants. */
export type ServerCompatRequest = Message<'connectrpc.conformance.v1.ServerCompatRequest'> & {
  protocol: number;
  httpVersion: number;
  useTls: boolean;
  clientTlsCert: Uint8Array;
  messageReceiveLimit: number;
  serverCreds?: TlsCreds;
};
export type ServerCompatResponse = Message<'connectrpc.conformance.v1.ServerCompatResponse'> & {
  host: string;
  port: number;
  pemCert: Uint8Array;
};
/** Which call the runner wants. */
export type ClientCompatRequest = Message<'connectrpc.conformance.v1.ClientCompatRequest'> & {
  testName: string;
  httpVersion: number;
  protocol: number;
  codec: number;
  compression: number;
  host: string;
  port: number;
  serverTlsCert: Uint8Array;
  clientTlsCreds?: TlsCreds;
  messageReceiveLimit: number;
  method?: string;
  streamType: number;
  useGetHttpMethod: boolean;
  requestHeaders: Header[];
  requestMessages: Any[];
  timeoutMs?: number;
  requestDelayMs: number;
  cancel?: Message & {
    cancelTiming:
      | { case: 'beforeCloseSend'; value: Message }
      | { case: 'afterCloseSendMs'; value: number }
      | { case: 'afterNumResponses'; value: number }
      | { case: undefined; value?: undefined };
  };
};
/** What came of a call. */
export type ClientResponseResult = Message<'connectrpc.conformance.v1.ClientResponseResult'> & {
  responseHeaders: Header[];
  payloads: ConformancePayload[];
  error?: SuiteError;
  responseTrailers: Header[];
};
/** Why a call could not even be made. */
export type ClientErrorResult = Message<'connectrpc.conformance.v1.ClientErrorResult'> & { message: string };
export type ClientCompatResponse = Message<'connectrpc.conformance.v1.ClientCompatResponse'> & {
  testName: string;
  result:
    | { case: 'response'; value: ClientResponseResult }
    | { case: 'error'; value: ClientErrorResult }
    | { case: undefined; value?: undefined };
};

type Rpc<Kind extends string, Name extends string, Definition> = {
  methodKind: Kind;
  input: GenMessage<Asks<Name, Definition>>;
  output: GenMessage<Answers<Name>>;
};

type ServiceModule = {
  readonly HeaderSchema: GenMessage<Header>;
  readonly ErrorSchema: GenMessage<SuiteError>;
  readonly ConformancePayloadSchema: GenMessage<ConformancePayload>;
  readonly ConformancePayload_RequestInfoSchema: GenMessage<RequestInfo>;
  readonly UnaryRequestSchema: GenMessage<Asks<'Unary', UnaryResponseDefinition>>;
  readonly IdempotentUnaryRequestSchema: GenMessage<Asks<'IdempotentUnary', UnaryResponseDefinition>>;
  readonly ServerStreamRequestSchema: GenMessage<Asks<'ServerStream', StreamResponseDefinition>>;
  readonly ClientStreamRequestSchema: GenMessage<Asks<'ClientStream', UnaryResponseDefinition>>;
  readonly BidiStreamRequestSchema: GenMessage<BidiStreamRequest>;
  readonly UnimplementedRequestSchema: GenMessage<Message<'connectrpc.conformance.v1.UnimplementedRequest'>>;
  readonly ConformanceService: GenService<{
    unary: Rpc<'unary', 'Unary', UnaryResponseDefinition> & { methodKind: 'unary' };
    idempotentUnary: Rpc<'unary', 'IdempotentUnary', UnaryResponseDefinition> & { methodKind: 'unary' };
    serverStream: Rpc<'server_streaming', 'ServerStream', StreamResponseDefinition>;
    clientStream: Rpc<'client_streaming', 'ClientStream', UnaryResponseDefinition>;
    bidiStream: {
      methodKind: 'bidi_streaming';
      input: GenMessage<BidiStreamRequest>;
      output: GenMessage<Answers<'BidiStream'>>;
    };
    unimplemented: {
      methodKind: 'unary';
      input: GenMessage<Message<'connectrpc.conformance.v1.UnimplementedRequest'>>;
      output: GenMessage<Message<'connectrpc.conformance.v1.UnimplementedResponse'>>;
    };
  }>;
};
type ServerModule = {
  readonly ServerCompatRequestSchema: GenMessage<ServerCompatRequest>;
  readonly ServerCompatResponseSchema: GenMessage<ServerCompatResponse>;
};
type ClientModule = {
  readonly ClientCompatRequestSchema: GenMessage<ClientCompatRequest>;
  readonly ClientCompatResponseSchema: GenMessage<ClientCompatResponse>;
  readonly ClientResponseResultSchema: GenMessage<ClientResponseResult>;
  readonly ClientErrorResultSchema: GenMessage<ClientErrorResult>;
};

const generated = new URL('./.weft/gen/connectrpc/conformance/v1/', import.meta.url).href;
const service: ServiceModule = await import(`${generated}service_pb.js`);
const server: ServerModule = await import(`${generated}server_compat_pb.js`);
const client: ClientModule = await import(`${generated}client_compat_pb.js`);

export const {
  HeaderSchema,
  ErrorSchema,
  ConformancePayloadSchema,
  ConformancePayload_RequestInfoSchema: RequestInfoSchema,
  UnaryRequestSchema,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  ClientStreamRequestSchema,
  BidiStreamRequestSchema,
  UnimplementedRequestSchema,
  ConformanceService,
} = service;
export const { ServerCompatRequestSchema, ServerCompatResponseSchema } = server;
export const {
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
  ClientResponseResultSchema,
  ClientErrorResultSchema,
} = client;
