/**
 * The protocol of gRPC's interoperability tests, grpc.testing: what every implementation of gRPC calls and serves to be tested
 * against the others. Wire compatible with grpc/testing/{test,messages,empty}.proto; enums are given as their numbers.
 */

import type { Message } from '@bufbuild/protobuf';
import { type GenMessage, type GenService, messageDesc, serviceDesc } from '@bufbuild/protobuf/codegenv2';
import { describeFile } from '../src/wire/describe.ts';

export type Empty = Message<'grpc.testing.Empty'>;
/** `type` is 0 for a body that can be compressed, the only kind that is used. */
export type Payload = Message<'grpc.testing.Payload'> & { type: number; body: Uint8Array };
export type EchoStatus = Message<'grpc.testing.EchoStatus'> & { code: number; message: string };
export type SimpleRequest = Message<'grpc.testing.SimpleRequest'> & {
  responseType: number;
  responseSize: number;
  payload?: Payload;
  responseStatus?: EchoStatus;
  fillServerId: boolean;
};
export type SimpleResponse = Message<'grpc.testing.SimpleResponse'> & { payload?: Payload; serverId: string };
export type StreamingInputCallRequest = Message<'grpc.testing.StreamingInputCallRequest'> & { payload?: Payload };
export type StreamingInputCallResponse = Message<'grpc.testing.StreamingInputCallResponse'> & {
  aggregatedPayloadSize: number;
};
export type ResponseParameters = Message<'grpc.testing.ResponseParameters'> & { size: number; intervalUs: number };
export type StreamingOutputCallRequest = Message<'grpc.testing.StreamingOutputCallRequest'> & {
  responseType: number;
  responseParameters: ResponseParameters[];
  payload?: Payload;
  responseStatus?: EchoStatus;
};
export type StreamingOutputCallResponse = Message<'grpc.testing.StreamingOutputCallResponse'> & { payload?: Payload };

const empty = '.grpc.testing.Empty';
const output = {
  request: '.grpc.testing.StreamingOutputCallRequest',
  response: 'stream .grpc.testing.StreamingOutputCallResponse',
};
const testService = {
  EmptyCall: { request: empty, response: empty },
  UnaryCall: { request: '.grpc.testing.SimpleRequest', response: '.grpc.testing.SimpleResponse' },
  StreamingOutputCall: output,
  StreamingInputCall: {
    request: 'stream .grpc.testing.StreamingInputCallRequest',
    response: '.grpc.testing.StreamingInputCallResponse',
  },
  FullDuplexCall: { ...output, request: `stream ${output.request}` },
  HalfDuplexCall: { ...output, request: `stream ${output.request}` },
} as const;

/** The file; `asked` is the TestService that callers know, with the one RPC that no server has. */
function describe(asked: boolean) {
  const unimplemented = { UnimplementedCall: { request: empty, response: empty } };
  return describeFile({
    name: 'grpc/testing/test.proto',
    package: 'grpc.testing',
    messages: {
      Empty: {},
      Payload: { fields: { type: '1 int32', body: '2 bytes' } },
      EchoStatus: { fields: { code: '1 int32', message: '2 string' } },
      SimpleRequest: {
        fields: {
          response_type: '1 int32',
          response_size: '2 int32',
          payload: '3 .grpc.testing.Payload',
          response_status: '7 .grpc.testing.EchoStatus',
          fill_server_id: '9 bool',
        },
      },
      SimpleResponse: { fields: { payload: '1 .grpc.testing.Payload', server_id: '4 string' } },
      StreamingInputCallRequest: { fields: { payload: '1 .grpc.testing.Payload' } },
      StreamingInputCallResponse: { fields: { aggregated_payload_size: '1 int32' } },
      ResponseParameters: { fields: { size: '1 int32', interval_us: '2 int32' } },
      StreamingOutputCallRequest: {
        fields: {
          response_type: '1 int32',
          response_parameters: '2 repeated .grpc.testing.ResponseParameters',
          payload: '3 .grpc.testing.Payload',
          response_status: '7 .grpc.testing.EchoStatus',
        },
      },
      StreamingOutputCallResponse: { fields: { payload: '1 .grpc.testing.Payload' } },
    },
    services: {
      TestService: asked ? { ...testService, ...unimplemented } : testService,
      UnimplementedService: unimplemented,
    },
  });
}

const served = describe(false);
const asked = describe(true);

export const EmptySchema: GenMessage<Empty> = messageDesc(served, 0);
export const SimpleRequestSchema: GenMessage<SimpleRequest> = messageDesc(served, 3);
export const SimpleResponseSchema: GenMessage<SimpleResponse> = messageDesc(served, 4);
export const StreamingInputCallRequestSchema: GenMessage<StreamingInputCallRequest> = messageDesc(served, 5);
export const StreamingInputCallResponseSchema: GenMessage<StreamingInputCallResponse> = messageDesc(served, 6);
export const StreamingOutputCallRequestSchema: GenMessage<StreamingOutputCallRequest> = messageDesc(served, 8);
export const StreamingOutputCallResponseSchema: GenMessage<StreamingOutputCallResponse> = messageDesc(served, 9);

type EmptyCall = { methodKind: 'unary'; input: typeof EmptySchema; output: typeof EmptySchema };
type Methods = {
  emptyCall: EmptyCall;
  unaryCall: { methodKind: 'unary'; input: typeof SimpleRequestSchema; output: typeof SimpleResponseSchema };
  streamingOutputCall: {
    methodKind: 'server_streaming';
    input: typeof StreamingOutputCallRequestSchema;
    output: typeof StreamingOutputCallResponseSchema;
  };
  streamingInputCall: {
    methodKind: 'client_streaming';
    input: typeof StreamingInputCallRequestSchema;
    output: typeof StreamingInputCallResponseSchema;
  };
  fullDuplexCall: {
    methodKind: 'bidi_streaming';
    input: typeof StreamingOutputCallRequestSchema;
    output: typeof StreamingOutputCallResponseSchema;
  };
  halfDuplexCall: Methods['fullDuplexCall'];
};

/** grpc.testing.TestService as servers implement it. */
export const TestService: GenService<Methods> = serviceDesc(served, 0);
/** grpc.testing.TestService as callers know it: with `UnimplementedCall`, which no server implements. */
export const AskedTestService: GenService<Methods & { unimplementedCall: EmptyCall }> = serviceDesc(asked, 0);
/** grpc.testing.UnimplementedService, which no server has. */
export const UnimplementedService: GenService<{ unimplementedCall: EmptyCall }> = serviceDesc(asked, 1);
