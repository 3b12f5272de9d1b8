// What a request is compressed by, and what its answer may be: names that both lanes know, and names that nobody knows.

import { brotliCompressSync, gzipSync } from 'node:zlib';
import { Code } from '@connectrpc/connect';
import { type Case, type CaseHandler, type CaseRequest, compareLanes, type Expected } from './compare.ts';
import { CONNECT, DIALECTS, type Dialect, framed, GET, GET_JSON, GRPC, GRPC_JSON, questionBytes } from './dialect.ts';
import { AS_THROWN } from './subject.ts';

const POSTED = DIALECTS.filter(({ isGet }) => !isGet);

function encodingHeader({ protocol }: Dialect): string {
  return protocol === 'grpc' ? 'grpc-encoding' : 'content-encoding';
}

function acceptHeader({ protocol }: Dialect): string {
  return protocol === 'grpc' ? 'grpc-accept-encoding' : 'accept-encoding';
}

/** A question that is said to be compressed by `encoding`, and is by `compress`. */
function compressed(encoding: string | string[], compress: (bytes: Uint8Array) => Uint8Array, flags = 1): CaseRequest {
  return ({ headers }, dialect) => ({
    headers: { ...headers, [encodingHeader(dialect)]: encoding },
    body: framed(dialect, compress(questionBytes(dialect, { text: 'compressed' })), flags),
  });
}

const asIs = (bytes: Uint8Array) => bytes;
const unknown: Expected = { code: Code.Unimplemented };
const broken: Expected = { code: Code.InvalidArgument };

const ENCODINGS: readonly Case[] = [
  { name: 'gzip', request: compressed('gzip', gzipSync) },
  { name: 'br', request: compressed('br', brotliCompressSync) },
  { name: 'identity', request: compressed('identity', asIs, 0) },
  { name: 'GZIP', request: compressed('GZIP', gzipSync), expected: unknown, lane: 'adapter' },
  { name: 'deflate', request: compressed('deflate', asIs), expected: unknown, lane: 'adapter' },
  { name: 'gzip, br', request: compressed('gzip, br', gzipSync), expected: unknown, lane: 'adapter' },
  { name: 'nothing', request: compressed('', asIs, 0), expected: unknown, lane: 'adapter' },
  { name: 'gzip that is none', request: compressed('gzip', asIs), expected: broken },
  { name: 'br that is none', request: compressed('br', asIs), expected: broken },
  { name: 'gzip that is br', request: compressed('gzip', brotliCompressSync), expected: broken },
  {
    name: 'gzip that ends early',
    request: compressed('gzip', (bytes) => gzipSync(bytes).subarray(0, -6)),
    expected: broken,
  },
  {
    name: 'gzip with more behind it',
    request: compressed('gzip', (bytes) => Buffer.concat([gzipSync(bytes), Buffer.from('more')])),
    expected: broken,
  },
  { name: 'gzip of nothing', request: compressed('gzip', () => gzipSync('')), dialects: [GRPC, CONNECT] },
  { name: 'gzip, of no bytes', request: compressed('gzip', () => Buffer.alloc(0)), dialects: [GRPC, CONNECT] },
];

for (const [mode, options] of [
  ['with policy', undefined],
  ['as thrown', AS_THROWN],
] as const) {
  compareLanes(
    `compressed by, ${mode}`,
    ENCODINGS.map((one) => ({ dialects: POSTED, ...one, ...(options === undefined ? {} : { options }) })),
  );
}

/** A caller that accepts these. */
function accepting(text: string | string[]): CaseRequest {
  return ({ headers, body }, dialect) => ({ headers: { ...headers, [acceptHeader(dialect)]: text }, body });
}

const emptyAccept: Case = { name: 'an empty list', request: accepting('') };
const emptyEncoding: Case = {
  name: 'an empty name',
  dialects: POSTED,
  request: compressed('', asIs, 0),
  expected: unknown,
  lane: 'adapter',
};

compareLanes('what is remembered of one caller is not taken for another', [emptyAccept, emptyEncoding, emptyAccept]);

compareLanes('the flag of an envelope', [
  {
    name: 'says compressed, and no encoding is named',
    dialects: [GRPC, GRPC_JSON],
    request: ({ headers }, dialect) => ({ headers, body: framed(dialect, gzipSync(questionBytes(dialect, {})), 1) }),
    expected: { code: Code.Internal },
    lane: 'adapter',
    oracle: { message: 'each has its own words', details: 'the reason is ours' },
  },
  {
    name: 'says compressed, and the encoding is identity',
    dialects: [GRPC],
    request: compressed('identity', asIs, 1),
    expected: { code: Code.Internal },
    lane: 'adapter',
  },
  {
    name: 'says not compressed, and an encoding is named',
    dialects: [GRPC, GRPC_JSON],
    request: compressed('gzip', asIs, 0),
    oracle: true,
  },
  // Connect and grpc-js look at the first bit alone; grpc-go says INTERNAL.
  ...[2, 0x80, 0xfe].map(
    (flags): Case => ({
      name: `is ${flags}, which says nothing`,
      dialects: [GRPC],
      request: ({ headers }, dialect) => ({ headers, body: framed(dialect, questionBytes(dialect, {}), flags) }),
      lane: 'adapter',
      oracle: true,
    }),
  ),
  ...[3, 0x81, 0xff].map(
    (flags): Case => ({
      name: `is ${flags}, which says compressed too`,
      dialects: [GRPC],
      request: ({ headers }, dialect) => ({ headers, body: framed(dialect, questionBytes(dialect, {}), flags) }),
      expected: { code: Code.Internal },
      lane: 'adapter',
    }),
  ),
]);

const ACCEPTED: readonly string[] = [
  'gzip',
  'br',
  'identity',
  'gzip, br',
  'br, gzip',
  'br,gzip',
  'identity, gzip',
  'deflate',
  'deflate, gzip',
  'gzip;q=0',
  'gzip;q=0.5, br;q=1',
  '*',
  'GZIP',
  '',
  ', ,gzip',
  'snappy, zstd',
];

const long: CaseHandler = () => () => ({ text: 'long '.repeat(300) });
const short: CaseHandler = () => () => ({ text: 'short' });

compareLanes('a caller accepts, and the answer is long', [
  ...ACCEPTED.map((text): Case => ({ name: JSON.stringify(text), handler: long, request: accepting(text) })),
  { name: 'two headers', handler: long, request: accepting(['deflate', 'br']) },
]);

compareLanes(
  'a caller accepts gzip',
  [
    ['a short answer', 1_024, short],
    ['a long answer', 1_024, long],
    ['a short answer of a server that compresses all', 0, short],
    ['an empty answer of a server that compresses all but that', 0, () => () => ({})],
    ['an empty answer of a server that compresses even that', -1, () => () => ({})],
    ['an answer as long as the least that is compressed', 12, () => () => ({ text: 'x'.repeat(10) })],
    ['an answer one byte shorter', 13, () => () => ({ text: 'x'.repeat(10) })],
  ].map(([name, compressMinBytes, handler]) => ({
    name: String(name),
    options: { errors: 'catalogue', limits: { compressMinBytes: Number(compressMinBytes) } } as const,
    handler: handler as CaseHandler,
    request: accepting('gzip'),
  })),
);

compareLanes('a caller accepts gzip, and there is an error', [
  ...[1_024, 0, -1].map(
    (compressMinBytes): Case => ({
      name: `of a server that compresses from ${compressMinBytes} bytes on`,
      options: { errors: 'catalogue', limits: { compressMinBytes } },
      handler: () => () => {
        throw new Error('secret');
      },
      request: accepting('gzip'),
      expected: { code: Code.Internal },
    }),
  ),
  ...[1_024, 0].map(
    (compressMinBytes): Case => ({
      name: `that Connect finds itself, of a server that compresses from ${compressMinBytes} bytes on`,
      options: { errors: 'catalogue', limits: { compressMinBytes } },
      dialects: POSTED,
      request: ({ headers }, dialect) => ({
        headers: { ...headers, [acceptHeader(dialect)]: 'gzip' },
        body: framed(dialect, Buffer.from([0xff, 0xff])),
      }),
      expected: { code: Code.InvalidArgument },
      lanesDiffer: ({ protocol }) =>
        protocol === 'connect' && compressMinBytes === 0
          ? { headers: 'what Connect found is told anew by the adapter, and short as it is it is not compressed again' }
          : {},
    }),
  ),
]);

compareLanes('compressed both ways', [
  {
    name: 'gzip in, br out',
    dialects: POSTED,
    handler: long,
    request: (plain, dialect) => {
      const { headers, body } = compressed('gzip', gzipSync)(plain, dialect);
      return { headers: { ...headers, [acceptHeader(dialect)]: 'br' }, body };
    },
  },
  {
    name: 'gzip in, nothing said of what comes out',
    dialects: POSTED,
    handler: long,
    request: compressed('gzip', gzipSync),
  },
  {
    name: 'two encodings named in two headers',
    // Node's client sends one content-encoding only.
    dialects: [GRPC],
    request: compressed(['gzip', 'gzip'], gzipSync),
    expected: unknown,
    lane: 'adapter',
  },
]);

compareLanes('a GET that is accepted compressed', [
  { name: 'gzip', dialects: [GET, GET_JSON], handler: long, request: accepting('gzip, br') },
]);
