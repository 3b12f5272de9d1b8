// How much a caller may send, and in what pieces: nothing, too much, too little, twice, or more than was announced.

import { gzipSync } from 'node:zlib';
import { Code } from '@connectrpc/connect';
import { encodeEnvelope } from '@connectrpc/connect/protocol';
import { type Case, type CaseHandler, type CaseRequest, compareLanes, type Expected } from './compare.ts';
import {
  CONNECT,
  CONNECT_JSON,
  DIALECTS,
  type Dialect,
  framed,
  GET,
  GRPC,
  GRPC_JSON,
  questionBytes,
  wireRequest,
} from './dialect.ts';
import { AS_THROWN, type LaneOptions } from './subject.ts';

const POSTED = DIALECTS.filter(({ isGet }) => !isGet);
const OVER_GRPC = [GRPC, GRPC_JSON];

const withBody =
  (body: (dialect: Dialect) => readonly Uint8Array[]): CaseRequest =>
  ({ headers }, dialect) => ({ headers, body: body(dialect) });

const message = (dialect: Dialect, text = 'm') => questionBytes(dialect, { text });
const enveloped = (dialect: Dialect, text = 'm') => encodeEnvelope(0, message(dialect, text));

/** A head that announces `length`, and what comes after it. */
function announcing(length: number, rest: Uint8Array = new Uint8Array(), flags = 0): Uint8Array {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, rest]);
}

/** Tells whether the handler was asked. */
const asked: CaseHandler =
  (note) =>
  ({ text }) => {
    note('asked');
    return { text };
  };

const unimplemented: Expected = { code: Code.Unimplemented };
const malformed: Expected = { code: Code.InvalidArgument };

for (const [mode, options] of [
  ['with policy', undefined],
  ['as thrown', AS_THROWN],
] as const) {
  const cases: readonly Case[] = [
    {
      name: 'no message',
      dialects: OVER_GRPC,
      request: withBody(() => [Buffer.alloc(0)]),
      expected: unimplemented,
      lane: 'adapter',
    },
    {
      name: 'no message, the stream ended by its headers',
      dialects: OVER_GRPC,
      request: withBody(() => []),
      expected: unimplemented,
      lane: 'adapter',
    },
    {
      name: 'two messages',
      dialects: OVER_GRPC,
      request: withBody((dialect) => [Buffer.concat([enveloped(dialect), enveloped(dialect)])]),
      expected: unimplemented,
      lane: 'adapter',
    },
    {
      name: 'two messages in two pieces',
      dialects: OVER_GRPC,
      request: withBody((dialect) => [enveloped(dialect), enveloped(dialect)]),
      expected: unimplemented,
      lane: 'adapter',
    },
    { name: 'an empty message', dialects: [GRPC], request: withBody(() => [announcing(0)]), oracle: true },
    { name: 'a body of nothing', dialects: [CONNECT], request: withBody(() => [Buffer.alloc(0)]) },
    { name: 'a body of nothing, the stream ended by its headers', dialects: [CONNECT], request: withBody(() => []) },
    {
      name: 'a body of nothing',
      dialects: [CONNECT_JSON],
      request: withBody(() => [Buffer.alloc(0)]),
      expected: malformed,
    },
    {
      name: 'an envelope in pieces of one byte',
      dialects: POSTED,
      request: ({ headers, body }) => ({ headers, body: [...Buffer.concat(body)].map((byte) => Uint8Array.of(byte)) }),
      oracle: true,
    },
    {
      name: 'less than was announced',
      dialects: OVER_GRPC,
      request: withBody(() => [announcing(9, Buffer.from([1]))]),
      expected: malformed,
      lane: 'adapter',
    },
    {
      name: 'an announcement that ends early',
      dialects: OVER_GRPC,
      request: withBody(() => [Buffer.from([0, 0, 0])]),
      expected: malformed,
      lane: 'adapter',
    },
    {
      name: 'bytes behind the message',
      dialects: OVER_GRPC,
      request: withBody((dialect) => [Buffer.concat([enveloped(dialect), Buffer.from([0, 0])])]),
      expected: malformed,
      lane: 'adapter',
    },
    {
      name: 'bytes that are no message',
      dialects: [GRPC, CONNECT],
      request: withBody((dialect) => framed(dialect, Buffer.from([0xff, 0xff]))),
      expected: options === undefined ? malformed : { code: Code.Internal },
    },
    {
      name: 'a text that is not UTF-8',
      dialects: [GRPC, CONNECT],
      request: withBody((dialect) => framed(dialect, Buffer.from([10, 2, 0xc3, 0x28]))),
      expected: options === undefined ? malformed : { code: Code.Internal },
    },
    {
      name: 'fields that the contract does not know',
      dialects: [GRPC, CONNECT],
      request: withBody((dialect) => framed(dialect, Buffer.from([0xa0, 0x06, 0x01, 10, 1, 0x61]))),
    },
    ...[
      '{"text":',
      '[]',
      'null',
      '""',
      '7',
      '{"text":7}',
      '{"text":"a","text":"b"}',
      '{"text":"\\ud83d"}',
      '{"count":"many"}',
      '{"data":"*"}',
      '\u0000',
      '{}{}',
      '{"count":1e40}',
      '',
    ].map(
      (text): Case => ({
        name: `the JSON ${text}`,
        dialects: [CONNECT_JSON, GRPC_JSON],
        request: withBody((dialect) => framed(dialect, Buffer.from(text))),
        expected: malformed,
      }),
    ),
    ...[
      '{}',
      ' { } ',
      '\ufeff{}',
      '{"unknown":1}',
      '{"count":"7"}',
      '{"count":7.0}',
      '{"data":"AAE"}',
      '{"data":"-_8="}',
    ].map(
      (text): Case => ({
        name: `the JSON ${text}`,
        dialects: [CONNECT_JSON, GRPC_JSON],
        request: withBody((dialect) => framed(dialect, Buffer.from(text))),
        expected: {},
      }),
    ),
    {
      name: 'JSON that is not UTF-8',
      dialects: [CONNECT_JSON, GRPC_JSON],
      request: withBody((dialect) => framed(dialect, Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d]))),
    },
  ];
  compareLanes(
    `a body, ${mode}`,
    cases.map((one) => ({ handler: asked, ...one, ...(options === undefined ? {} : { options }) })),
  );
}

/** A text of 100 characters is a message of 102 bytes. */
const READ_MAX_BYTES = 102;
const limited: LaneOptions = { errors: 'catalogue', limits: { readMaxBytes: READ_MAX_BYTES, writeMaxBytes: 60 } };
const limitedAsThrown: LaneOptions = { ...limited, errors: 'as-thrown' };
const tooLarge: Expected = { code: Code.ResourceExhausted };
const quiet: CaseHandler = () => () => ({});
const text = (length: number) => 'x'.repeat(length);

for (const [mode, options] of [
  ['with the catalogue', limited],
  ['as thrown', limitedAsThrown],
] as const) {
  const gzipped =
    (length: number): CaseRequest =>
    ({ headers }, dialect) => ({
      headers: { ...headers, [dialect.protocol === 'grpc' ? 'grpc-encoding' : 'content-encoding']: 'gzip' },
      body: framed(dialect, gzipSync(message(dialect, text(length))), 1),
    });
  const cases: readonly Case[] = [
    {
      name: 'as large as may be',
      dialects: [GRPC, CONNECT, GET],
      request: (_plain, dialect) => wireRequest(dialect, { text: text(100) }),
    },
    {
      name: 'a byte larger',
      dialects: [GRPC],
      request: (_plain, dialect) => wireRequest(dialect, { text: text(101) }),
      expected: tooLarge,
      lane: 'adapter',
    },
    {
      name: 'a byte larger',
      dialects: [CONNECT],
      request: (_plain, dialect) => wireRequest(dialect, { text: text(101) }),
      expected: tooLarge,
      lane: 'adapter',
    },
    {
      name: 'a byte larger',
      dialects: [GET],
      request: (_plain, dialect) => wireRequest(dialect, { text: text(101) }),
      expected: tooLarge,
      lane: 'adapter',
    },
    {
      name: 'much larger',
      dialects: POSTED,
      request: (_plain, dialect) => wireRequest(dialect, { text: text(300_000) }),
      expected: tooLarge,
      lane: 'adapter',
    },
    {
      name: 'announced as larger, and never sent',
      dialects: OVER_GRPC,
      request: withBody(() => [announcing(READ_MAX_BYTES + 1)]),
      conduct: (stream, body) => void stream.write(body[0]),
      expected: tooLarge,
      lane: 'adapter',
    },
    {
      name: 'announced as 4 GiB, and never sent',
      dialects: OVER_GRPC,
      request: withBody(() => [announcing(0xffff_ffff)]),
      conduct: (stream, body) => void stream.write(body[0]),
      expected: tooLarge,
      lane: 'adapter',
    },
    {
      name: 'announced as larger, byte by byte',
      dialects: OVER_GRPC,
      request: withBody(() => [...announcing(0x8000_0000, message(GRPC))].map((byte) => Uint8Array.of(byte))),
      expected: tooLarge,
      lane: 'adapter',
    },
    {
      name: 'said to be larger by its content length, and never sent',
      dialects: [CONNECT],
      request: ({ headers }) => ({ headers: { ...headers, 'content-length': '5000' }, body: [] }),
      conduct: (stream) => void stream.write(Buffer.alloc(1)),
      expected: tooLarge,
      lane: 'adapter',
    },
    { name: 'as large as may be, compressed', dialects: [GRPC, CONNECT], request: gzipped(100) },
    { name: 'a byte larger, compressed', dialects: [GRPC, CONNECT], request: gzipped(101), expected: tooLarge },
    { name: 'a bomb', dialects: POSTED, request: gzipped(20_000), expected: tooLarge },
    { name: 'an answer as large as may be', dialects: [GRPC, CONNECT, GET], handler: () => () => ({ text: text(58) }) },
    {
      name: 'an answer a byte larger',
      dialects: [GRPC, CONNECT, GET],
      handler: () => () => ({ text: text(59) }),
      expected: tooLarge,
    },
    {
      name: 'an answer in JSON that is larger',
      dialects: [GRPC_JSON, CONNECT_JSON],
      handler: () => () => ({ text: text(59) }),
      expected: tooLarge,
    },
    {
      name: 'an answer that is larger after headers',
      dialects: [GRPC, CONNECT],
      handler:
        () =>
        (_question, { responseHeader }) => {
          responseHeader.set('x-a', '1');
          return { text: text(59) };
        },
      expected: tooLarge,
    },
  ];
  compareLanes(
    `a message, ${mode}`,
    cases.map((one) => ({ handler: quiet, ...one, options })),
  );
}

compareLanes('a content length that is not that of the body', [
  ...(
    [
      [1, 'INTERNAL_ERROR'],
      [100, 'PROTOCOL_ERROR'],
    ] as const
  ).map(
    ([length, reset]): Case => ({
      name: String(length),
      dialects: [GRPC, CONNECT],
      request: ({ headers, body }) => ({ headers: { ...headers, 'content-length': String(length) }, body }),
      expected: { reset },
    }),
  ),
]);
