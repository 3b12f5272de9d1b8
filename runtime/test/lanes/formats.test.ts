// What a request is written in: content types that both lanes know, and such that nobody knows.

import { Code } from '@connectrpc/connect';
import { type Case, compareLanes, type Expected } from './compare.ts';
import { CONNECT, CONNECT_JSON, type Dialect, framed, GRPC, GRPC_JSON, questionBytes } from './dialect.ts';
import { AS_THROWN } from './subject.ts';

const unsupported: Expected = { http: 415 };

type Type = readonly [contentType: string | undefined, dialect: Dialect, expected: Expected, lane?: Case['lane']];

const TYPES: readonly Type[] = [
  ['application/grpc', GRPC, {}],
  ['application/grpc+proto', GRPC, {}],
  ['application/grpc+json', GRPC_JSON, {}],
  ['application/GRPC', GRPC, {}, 'adapter'],
  ['Application/Grpc+Proto', GRPC, {}, 'adapter'],
  ['application/grpc;charset=utf-8', GRPC, unsupported, 'adapter'],
  ['application/grpc; charset=utf-8', GRPC, unsupported, 'adapter'],
  ['application/grpc+json; charset=utf-8', GRPC_JSON, {}, 'adapter'],
  ['application/grpc+thrift', GRPC, unsupported, 'adapter'],
  ['application/grpc ', GRPC, unsupported, 'adapter'],
  ['application/grpcx', GRPC, unsupported, 'adapter'],
  ['application/grpc-web', GRPC, { http: 200 }, 'adapter'],
  ['application/grpc-web+proto', GRPC, { http: 200 }, 'adapter'],
  ['application/grpc-web-text', GRPC, unsupported, 'adapter'],
  ['application/connect+proto', GRPC, unsupported, 'adapter'],
  ['application/proto', CONNECT, {}],
  ['application/Proto', CONNECT, {}, 'adapter'],
  ['application/proto; charset=utf-8', CONNECT, unsupported, 'adapter'],
  ['application/x-protobuf', CONNECT, unsupported, 'adapter'],
  ['application/json', CONNECT_JSON, {}],
  ['application/json; charset=utf-8', CONNECT_JSON, {}],
  ['application/json;charset=utf-8', CONNECT_JSON, {}, 'adapter'],
  ['application/json; charset=UTF-8', CONNECT_JSON, {}, 'adapter'],
  ['application/json; charset=latin1', CONNECT_JSON, unsupported, 'adapter'],
  ['APPLICATION/JSON', CONNECT_JSON, {}, 'adapter'],
  ['text/json', CONNECT_JSON, unsupported, 'adapter'],
  ['text/plain', CONNECT_JSON, unsupported, 'adapter'],
  ['', CONNECT, unsupported, 'adapter'],
  [undefined, CONNECT, unsupported, 'adapter'],
  [undefined, GRPC, unsupported, 'adapter'],
];

compareLanes(
  'a content type',
  TYPES.map(([contentType, dialect, expected, lane = 'fast']) => ({
    name: String(contentType),
    dialects: [dialect],
    request: ({ headers, body }) => {
      const { 'content-type': _, ...rest } = headers;
      return { body, headers: contentType === undefined ? rest : { ...rest, 'content-type': contentType } };
    },
    expected,
    lane,
  })),
);

compareLanes('a codec that is not the one that the content type names', [
  {
    name: 'protobuf as JSON',
    dialects: [GRPC_JSON, CONNECT_JSON],
    request: ({ headers }, dialect) => ({
      headers,
      body: framed(dialect, questionBytes(GRPC, { text: 'x', count: 7 })),
    }),
    expected: { code: Code.InvalidArgument },
  },
  {
    name: 'JSON as protobuf',
    dialects: [GRPC, CONNECT],
    request: ({ headers }, dialect) => ({ headers, body: framed(dialect, questionBytes(GRPC_JSON, { text: 'x' })) }),
    expected: { code: Code.InvalidArgument },
  },
  {
    name: 'JSON as protobuf, as thrown',
    options: AS_THROWN,
    dialects: [GRPC, CONNECT],
    request: ({ headers }, dialect) => ({ headers, body: framed(dialect, questionBytes(GRPC_JSON, { text: 'x' })) }),
    expected: { code: Code.Internal },
  },
]);

compareLanes('other headers', [
  {
    name: 'no te',
    dialects: [GRPC],
    request: ({ headers: { te: _, ...headers }, body }) => ({ headers, body }),
    oracle: true,
  },
  {
    name: 'no connect-protocol-version',
    dialects: [CONNECT, CONNECT_JSON],
    request: ({ headers: { 'connect-protocol-version': _, ...headers }, body }) => ({ headers, body }),
  },
  {
    name: 'an unknown connect-protocol-version',
    dialects: [CONNECT, CONNECT_JSON],
    request: ({ headers, body }) => ({ headers: { ...headers, 'connect-protocol-version': '99' }, body }),
  },
  {
    name: 'a trace',
    request: ({ headers, body }) => ({
      headers: { ...headers, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
      body,
    }),
  },
  {
    name: 'a trace and an error',
    request: ({ headers, body }) => ({
      headers: { ...headers, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
      body,
    }),
    handler: () => () => {
      throw new Error('secret');
    },
    expected: { code: Code.Internal },
  },
  {
    name: 'a content length',
    request: ({ headers, body }) => ({
      headers: { ...headers, 'content-length': String(Buffer.concat(body).byteLength) },
      body,
    }),
  },
]);
