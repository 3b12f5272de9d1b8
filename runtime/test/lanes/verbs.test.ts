// Verbs, paths, and Connect's GET, whose message is in its query.

import { gzipSync } from 'node:zlib';
import { Code } from '@connectrpc/connect';
import { type Case, compareLanes, type Expected } from './compare.ts';
import { ASK, CONNECT, CONNECT_JSON, DIALECTS, GET, GET_JSON, GRPC, getPath, LOOK, questionBytes } from './dialect.ts';
import { AS_THROWN } from './subject.ts';

const bytes = questionBytes(GET, { text: 'got', count: 3 });
const base64 = Buffer.from(bytes).toString('base64');
const json = '{"text":"got","count":3}';
const url = (text: string) => text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const proto = { encoding: 'proto', base64: '1', message: url(base64) };

const malformed: Expected = { code: Code.InvalidArgument };
/** Bytes that are no message: Connect calls it INTERNAL, the catalogue the caller's fault. */
const unreadable: Expected = { code: Code.InvalidArgument };
const unsupported: Expected = { http: 415 };

const QUERIES: readonly (readonly [string, Readonly<Record<string, string>>, Partial<Case>?])[] = [
  ['a message', proto],
  ['a message with the version', { connect: 'v1', ...proto }],
  ['a message with another version', { connect: 'v9', ...proto }],
  ['padded base64', { ...proto, message: base64 }],
  ['base64 of the other alphabet', { ...proto, message: Buffer.from(bytes).toString('base64') }],
  ['a message not in base64', { encoding: 'proto', message: '\n\u0003abc' }],
  ['base64 said to be none', { ...proto, base64: '0' }, { expected: unreadable }],
  ['base64 said to be true', { ...proto, base64: 'true' }, { expected: unreadable }],
  ['base64 that is none', { ...proto, message: '*' }, { expected: malformed, lane: 'none' }],
  ['base64 that ends early', { ...proto, message: 'CgNn' }, { expected: unreadable }],
  ['no message', { encoding: 'proto', base64: '1' }],
  ['an empty message', { ...proto, message: '' }],
  ['an empty message not in base64', { encoding: 'proto', message: '' }],
  ['no encoding', { base64: '1', message: url(base64) }, { expected: unsupported, lane: 'adapter' }],
  ['an unknown encoding', { ...proto, encoding: 'thrift' }, { expected: unsupported, lane: 'adapter' }],
  ['an encoding in capitals', { ...proto, encoding: 'PROTO' }, { expected: unsupported, lane: 'adapter' }],
  ['JSON', { encoding: 'json', message: json }],
  ['JSON in base64', { encoding: 'json', base64: '1', message: url(Buffer.from(json).toString('base64')) }],
  ['JSON that is none', { encoding: 'json', message: '{' }, { expected: malformed }],
  ['no JSON', { encoding: 'json' }, { expected: malformed }],
  ['JSON of Unicode', { encoding: 'json', message: '{"text":"☃ 😀 & + % ="}' }],
  ['gzip', { ...proto, compression: 'gzip', message: url(gzipSync(bytes).toString('base64')) }],
  ['identity', { ...proto, compression: 'identity' }],
  ['gzip that is none', { ...proto, compression: 'gzip' }, { expected: malformed }],
  ['gzip not in base64', { encoding: 'json', message: json, compression: 'gzip' }, { expected: malformed }],
  [
    'an unknown compression',
    { ...proto, compression: 'zstd' },
    { expected: { code: Code.Unimplemented }, lane: 'adapter' },
  ],
  ['an empty compression', { ...proto, compression: '' }, { expected: { code: Code.Unimplemented }, lane: 'adapter' }],
  ['parameters that nobody knows', { ...proto, extra: 'yes', é: '☃' }],
  ['a message that breaks a rule', { encoding: 'json', message: '{"count":-1}' }, { expected: malformed }],
];

for (const [mode, options] of [
  ['with policy', undefined],
  ['as thrown', AS_THROWN],
] as const) {
  compareLanes(
    `a GET with, ${mode}`,
    QUERIES.map(([name, parameters, more]) => ({
      name,
      dialects: [parameters.encoding === 'json' ? GET_JSON : GET],
      request: () => ({ headers: { ':method': 'GET', ':path': getPath(parameters) }, body: [] }),
      ...(options === undefined ? {} : { options }),
      ...more,
      ...(more?.expected === unreadable && options !== undefined ? { expected: { code: Code.Internal } } : {}),
    })),
  );
}

const headersOnly =
  (headers: Readonly<Record<string, string>>): NonNullable<Case['request']> =>
  () => ({ headers, body: [] });
const good = getPath(proto);

compareLanes('a GET', [
  {
    name: 'of an RPC that may have side effects',
    dialects: [GET],
    request: headersOnly({ ':method': 'GET', ':path': getPath(proto, ASK) }),
    expected: { http: 405 },
    lane: 'adapter',
  },
  {
    name: 'without a query',
    dialects: [GET],
    request: headersOnly({ ':method': 'GET', ':path': LOOK }),
    expected: unsupported,
    lane: 'adapter',
  },
  {
    name: 'with an empty query',
    dialects: [GET],
    request: headersOnly({ ':method': 'GET', ':path': `${LOOK}?` }),
    expected: unsupported,
    lane: 'adapter',
  },
  {
    name: 'with every parameter twice',
    dialects: [GET],
    request: headersOnly({ ':method': 'GET', ':path': `${good}&encoding=json&message=e30&base64=0` }),
  },
  {
    name: 'with a broken percent sign',
    dialects: [GET],
    request: headersOnly({ ':method': 'GET', ':path': `${good}&x=%zz%` }),
  },
  {
    name: 'with a fragment',
    dialects: [GET],
    request: headersOnly({ ':method': 'GET', ':path': `${good}#fragment` }),
    // HTTP has none in a request: it is a part of the message that is not base64.
    expected: malformed,
    lane: 'none',
  },
  {
    name: 'with a fragment before the query',
    dialects: [GET],
    request: headersOnly({ ':method': 'GET', ':path': `${LOOK}#fragment?${good.split('?')[1]}` }),
    expected: { http: 404 },
    lane: 'none',
  },
  {
    name: 'with question marks in its query',
    dialects: [GET],
    request: headersOnly({ ':method': 'GET', ':path': `${good}&x=?a=1?` }),
  },
  {
    name: 'with a content type',
    dialects: [GET],
    request: headersOnly({ ':method': 'GET', ':path': good, 'content-type': 'application/proto' }),
    lane: 'adapter',
  },
  {
    name: 'with the content type of gRPC',
    dialects: [GET],
    request: headersOnly({ ':method': 'GET', ':path': good, 'content-type': 'application/grpc' }),
    expected: unsupported,
    lane: 'adapter',
  },
  {
    name: 'with a body',
    dialects: [GET],
    request: () => ({ headers: { ':method': 'GET', ':path': good }, body: [Buffer.from('a body')] }),
  },
  {
    name: 'that compresses its message by a header',
    dialects: [GET],
    request: headersOnly({ ':method': 'GET', ':path': good, 'content-encoding': 'gzip' }),
  },
]);

compareLanes('another verb', [
  ...['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'post', 'TRACE', 'FOO'].map(
    (verb): Case => ({
      name: verb,
      dialects: [GRPC, CONNECT],
      request: ({ headers, body }) => ({ headers: { ...headers, ':method': verb }, body: verb === 'HEAD' ? [] : body }),
      expected: { http: 405 },
      lane: 'adapter',
    }),
  ),
  {
    name: 'GET, with the headers of a POST',
    dialects: [GRPC, CONNECT, CONNECT_JSON],
    request: ({ headers }) => ({ headers: { ...headers, ':method': 'GET' }, body: [] }),
    expected: { http: 405 },
    lane: 'adapter',
  },
  {
    name: 'POST to an RPC that may be got',
    dialects: [GRPC, CONNECT, CONNECT_JSON],
    request: ({ headers, body }) => ({ headers: { ...headers, ':path': LOOK }, body }),
    oracle: true,
  },
  {
    name: 'POST with a query',
    dialects: [GRPC, CONNECT, CONNECT_JSON],
    request: ({ headers, body }) => ({ headers: { ...headers, ':path': `${ASK}?a=1` }, body }),
  },
]);

compareLanes(
  'a path that nobody serves',
  [
    '/',
    '/weft.test.v1.LanesService',
    '/weft.test.v1.LanesService/',
    '/weft.test.v1.LanesService/Nothing',
    '/weft.test.v1.lanesservice/Ask',
    '/weft.test.v1.LanesService/Ask/',
    '//weft.test.v1.LanesService/Ask',
    '/prefix/weft.test.v1.LanesService/Ask',
    '/weft.test.v1.LanesService/%41sk',
    '/weft.test.v1.LanesService/../weft.test.v1.LanesService/Ask',
  ].map(
    (path): Case => ({
      name: path,
      dialects: DIALECTS,
      request: ({ headers, body }) => ({ headers: { ...headers, ':path': path }, body }),
      expected: ({ protocol }) => (protocol === 'grpc' ? { code: Code.Unimplemented } : { http: 404 }),
      lane: 'none',
    }),
  ),
);

compareLanes(
  'a path that HTTP/2 has not',
  ['weft.test.v1.LanesService/Ask', '*', '/☃', '/a b'].map(
    (path): Case => ({
      name: path,
      dialects: [GRPC],
      request: ({ headers, body }) => ({ headers: { ...headers, ':path': path }, body }),
      expected: { reset: 'PROTOCOL_ERROR' },
      lane: 'none',
    }),
  ),
);
