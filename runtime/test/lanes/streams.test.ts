// Answers in streams: none, one or many messages, however they are given, wherever they fail, whoever leaves. gRPC's are served by both
// lanes; Connect's and gRPC-Web's are the adapter's.

import { gzipSync } from 'node:zlib';
import { Code, ConnectError } from '@connectrpc/connect';
import { encodeEnvelope } from '@connectrpc/connect/protocol';
import { currentCall } from '../../src/server/call.ts';
import { type Case, type CaseRequest, compareLanes } from './compare.ts';
import {
  framed,
  GRPC,
  GRPC_JSON,
  questionBytes,
  timeoutHeader,
  WATCH,
  type WireRequest,
  wireRequest,
} from './dialect.ts';
import { AS_THROWN, type LaneOptions } from './subject.ts';

const NGHTTP2_CANCEL = 8;
const FOREVER = new Promise<never>(() => {});
const SHORT_MS = 40;

const watched = ({ headers, body }: WireRequest): WireRequest => ({ headers: { ...headers, ':path': WATCH }, body });
const watch: CaseRequest = watched;

/** Cases of the RPC that answers with a stream, unless they say otherwise. */
function streams(title: string, cases: readonly Case[]): void {
  compareLanes(
    title,
    cases.map((one) => ({
      dialects: [GRPC, GRPC_JSON],
      ...one,
      request: (plain, dialect) => watched(one.request?.(plain, dialect) ?? plain),
    })),
  );
}

async function* counted(to: number) {
  for (let count = 1; count <= to; count += 1) {
    yield { count };
  }
}

streams('messages', [
  {
    name: '0',
    stream: () => () => counted(0),
    oracle: { endedByHeaders: 'grpc-js has the one frame for good news too; Envoy looks there for bad news alone' },
  },
  ...[1, 2, 1_000].map((to): Case => ({ name: String(to), stream: () => () => counted(to), oracle: true })),
  {
    name: 'with pauses between them',
    stream: () =>
      async function* () {
        for (let count = 1; count <= 5; count += 1) {
          yield { count };
          await new Promise((resolve) => setImmediate(resolve));
        }
      },
    oracle: true,
  },
  {
    name: 'of many bytes, more than a window',
    stream: () =>
      async function* () {
        for (let count = 1; count <= 5; count += 1) {
          yield { count, text: 'x'.repeat(50_000) };
        }
      },
    oracle: true,
  },
  {
    name: 'of nothing',
    stream: () =>
      async function* () {
        yield {};
        yield {};
      },
    oracle: true,
  },
  {
    name: 'given by what is no generator, and cannot be left',
    stream: () => () => {
      let count = 0;
      return {
        [Symbol.asyncIterator]: () => ({
          next: async () => {
            count += 1;
            return count > 3 ? { done: true, value: undefined } : { done: false, value: { count } };
          },
        }),
      };
    },
    oracle: true,
  },
]);

/** What Connect finds wrong after the first message has left. */
const LATE_FAULTS = { why: 'the adapter gives a reason to the first chunk of an answer alone' };

for (const [mode, options] of [
  ['as thrown', AS_THROWN],
  ['with policy', undefined],
] as const) {
  const given = options === undefined ? {} : { options };
  streams(
    `an error, ${mode},`,
    [0, 1, 3].flatMap((to): Case[] => [
      {
        ...given,
        name: `after ${to} messages`,
        stream: () =>
          async function* () {
            yield* counted(to);
            throw new ConnectError('why', Code.Aborted, { 'x-why': 'because' });
          },
        expected: { code: Code.Aborted, message: 'why' },
        ...(options === AS_THROWN ? { oracle: true } : {}),
      },
      {
        ...given,
        name: `that is none of Connect's, after ${to} messages`,
        stream: () =>
          async function* () {
            yield* counted(to);
            throw new Error('secret');
          },
        expected: { code: Code.Internal },
      },
      {
        ...given,
        name: `of a message that cannot be written, after ${to} messages`,
        stream: () =>
          async function* () {
            yield* counted(to);
            yield { count: 'many' as never };
          },
        expected: { code: Code.Internal },
        ...(to > 0 && options !== AS_THROWN ? { open: LATE_FAULTS } : {}),
      },
      {
        ...given,
        name: `after ${to} messages, with headers and trailers set before`,
        stream: () =>
          async function* (_question, { responseHeader, responseTrailer }) {
            responseHeader.set('x-header', '1');
            responseTrailer.set('x-trailer', '2');
            yield* counted(to);
            throw new ConnectError('why', Code.Aborted);
          },
        expected: { code: Code.Aborted },
        ...(options === AS_THROWN ? { oracle: true } : {}),
      },
    ]),
  );
  streams(`a handler, ${mode},`, [
    {
      ...given,
      name: 'that throws at once',
      stream: () => () => {
        throw new ConnectError('at once', Code.NotFound);
      },
      expected: { code: Code.NotFound },
    },
    {
      ...given,
      name: 'that throws at once what is no ConnectError',
      stream: () => () => {
        throw new Error('secret');
      },
      expected: { code: Code.Internal },
    },
    {
      ...given,
      name: 'that gives nothing to read',
      stream: () => () => undefined as never,
      expected: { code: Code.Internal },
      ...(options === AS_THROWN ? { lanesDiffer: { logged: 'Connect throws it where nobody of ours is asked' } } : {}),
    },
    {
      ...given,
      name: 'that gives messages which are not asynchronous',
      stream: () => () => [{ count: 1 }] as never,
      expected: { code: Code.Internal },
      ...(options === AS_THROWN ? { lanesDiffer: { logged: 'Connect throws it where nobody of ours is asked' } } : {}),
    },
    {
      ...given,
      name: 'whose request breaks a rule',
      stream: () => () => counted(1),
      request: (_plain, dialect) => wireRequest(dialect, { count: -1 }),
      expected: { code: Code.InvalidArgument },
    },
  ]);
}

streams('a handler that sets', [
  {
    name: 'headers before the first message and trailers after the last',
    stream: () =>
      async function* (_question, { responseHeader, responseTrailer }) {
        responseHeader.append('x-a', '1');
        responseHeader.append('x-a', '2');
        responseHeader.append('set-cookie', 'a=1');
        responseHeader.append('set-cookie', 'b=2');
        yield* counted(2);
        responseTrailer.set('x-b-bin', 'AAEC/w');
      },
  },
  {
    name: 'headers after the first message, which is too late',
    stream: () =>
      async function* (_question, { responseHeader }) {
        yield { count: 1 };
        await new Promise((resolve) => setImmediate(resolve));
        responseHeader.set('x-late', '1');
        yield { count: 2 };
      },
  },
  {
    name: 'headers and gives no message',
    stream: () =>
      async function* (_question, { responseHeader, responseTrailer }) {
        responseHeader.set('x-a', '1');
        responseTrailer.set('x-b', '2');
        yield* counted(0);
      },
    oracle: true,
  },
  {
    name: "what is the protocol's",
    stream: () =>
      async function* (_question, { responseHeader }) {
        responseHeader.set('content-type', 'text/plain');
        responseHeader.set('content-length', '3');
        yield* counted(1);
      },
  },
  {
    name: 'a status of its own',
    stream: () =>
      async function* (_question, { responseTrailer }) {
        responseTrailer.set('grpc-status', '7');
        yield* counted(1);
      },
    lanesDiffer: { trailers: 'Connect does not look again', status: 'and so is it told' },
  },
  {
    name: 'a header that HTTP/2 forbids',
    stream: () =>
      async function* (_question, { responseHeader }) {
        responseHeader.set('connection', 'close');
        yield* counted(1);
      },
  },
]);

streams('what the handler sees', [
  {
    name: 'of its call',
    stream: () =>
      async function* (_question, { requestMethod, protocolName, method, signal }) {
        const call = currentCall();
        yield { text: JSON.stringify([call?.rpc, requestMethod, protocolName, method?.name, signal.aborted]) };
        await new Promise((resolve) => setImmediate(resolve));
        yield { text: String(currentCall()?.rpc) };
      },
  },
]);

const compressing = (compressMinBytes: number): LaneOptions => ({ errors: 'catalogue', limits: { compressMinBytes } });
const accepting =
  (encoding: string): CaseRequest =>
  ({ headers, body }) => ({ headers: { ...headers, 'grpc-accept-encoding': encoding }, body });

streams('compressed', [
  ...[-1, 0, 1_024].map(
    (compressMinBytes): Case => ({
      name: `from ${compressMinBytes} bytes on`,
      options: compressing(compressMinBytes),
      request: accepting('gzip'),
      stream: () =>
        async function* () {
          yield {};
          yield { text: 'short' };
          yield { text: 'long '.repeat(500) };
        },
    }),
  ),
  {
    name: 'and then an error',
    options: compressing(0),
    request: accepting('br'),
    stream: () =>
      async function* () {
        yield { text: 'short' };
        throw new ConnectError('why', Code.Aborted);
      },
    expected: { code: Code.Aborted },
  },
  {
    name: 'and at once an error',
    options: compressing(0),
    request: accepting('br'),
    stream: () => () => {
      throw new ConnectError('why', Code.Aborted);
    },
    expected: { code: Code.Aborted },
  },
  {
    name: 'question',
    request: ({ headers }, dialect) => ({
      headers: { ...headers, 'grpc-encoding': 'gzip' },
      body: framed(dialect, gzipSync(questionBytes(dialect, { text: 'compressed' })), 1),
    }),
    stream: () =>
      async function* ({ text }) {
        yield { text };
      },
  },
  {
    name: 'by what nobody knows',
    request: ({ headers, body }) => ({ headers: { ...headers, 'grpc-encoding': 'zstd' }, body }),
    expected: { code: Code.Unimplemented },
    lane: 'adapter',
  },
]);

const limited: LaneOptions = { errors: 'catalogue', limits: { readMaxBytes: 102, writeMaxBytes: 60 } };

streams('limits and bodies', [
  {
    name: 'a message that is too large, after one that is not',
    options: limited,
    stream: () =>
      async function* () {
        yield { text: 'x'.repeat(58) };
        yield { text: 'x'.repeat(59) };
      },
    // In JSON the first is too large already.
    open: { ...LATE_FAULTS, dialects: [GRPC] },
    expected: { code: Code.ResourceExhausted },
  },
  {
    name: 'a question that is too large',
    options: limited,
    request: (_plain, dialect) => wireRequest(dialect, { text: 'x'.repeat(101) }),
    expected: { code: Code.ResourceExhausted },
    lane: 'adapter',
  },
  {
    name: 'no question',
    request: ({ headers }) => ({ headers, body: [] }),
    expected: { code: Code.Unimplemented },
    lane: 'adapter',
  },
  {
    name: 'two questions',
    request: ({ headers }, dialect) => {
      const one = encodeEnvelope(0, questionBytes(dialect, {}));
      return { headers, body: [one, one] };
    },
    expected: { code: Code.Unimplemented },
    lane: 'adapter',
  },
  {
    name: 'half a question',
    request: ({ headers }) => ({ headers, body: [Buffer.from([0, 0, 0, 0, 9, 1])] }),
    expected: { code: Code.InvalidArgument },
    lane: 'adapter',
  },
  {
    name: 'a question that cannot be read',
    request: ({ headers }, dialect) => ({ headers, body: framed(dialect, Buffer.from([0xff, 0xff])) }),
    expected: { code: Code.InvalidArgument },
  },
]);

const soon: CaseRequest = ({ headers, body }, dialect) => ({
  headers: { ...headers, ...timeoutHeader(dialect, SHORT_MS) },
  body,
});

streams('a deadline that passes', [
  ...[0, 2].map(
    (to): Case => ({
      name: `after ${to} messages, while the handler waits for ever`,
      request: soon,
      stream: () =>
        async function* () {
          yield* counted(to);
          await FOREVER;
        },
      expected: { code: Code.DeadlineExceeded },
    }),
  ),
  ...[0, 2].map(
    (to): Case => ({
      name: `after ${to} messages, and is heard of`,
      request: soon,
      stream: (note) =>
        async function* (_question, { signal }) {
          try {
            yield* counted(to);
            await new Promise((resolve) => signal.addEventListener('abort', resolve));
            note(`heard ${Code[(signal.reason as ConnectError).code]}`);
            yield { text: 'too late' };
          } finally {
            note('left');
          }
        },
      events: 2,
      expected: { code: Code.DeadlineExceeded },
    }),
  ),
  {
    name: 'before the handler is asked',
    request: ({ headers, body }) => ({ headers: { ...headers, 'grpc-timeout': '0m' }, body }),
    stream: (note) => () => {
      note('asked');
      return counted(1);
    },
    expected: { code: Code.DeadlineExceeded },
  },
]);

/** Leaves when the first message has come. */
const leaving: NonNullable<Case['conduct']> = (stream, body) => {
  stream.once('data', () => stream.close(NGHTTP2_CANCEL));
  stream.end(Buffer.concat(body));
};

const leavers: readonly Case[] = [
  {
    name: 'while the handler waits',
    conduct: leaving,
    stream: (note) =>
      async function* (_question, { signal }) {
        try {
          yield { count: 1 };
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
          note(`heard ${Code[(signal.reason as ConnectError).code]}`);
        } finally {
          note('left');
        }
      },
    events: 2,
    expected: { isLeft: true },
  },
  {
    name: 'while messages go on and on',
    conduct: leaving,
    stream: (note) =>
      async function* () {
        try {
          while (true) {
            yield { text: 'x'.repeat(1_000) };
            await new Promise((resolve) => setImmediate(resolve));
          }
        } finally {
          note('left');
        }
      },
    events: 1,
    expected: { isLeft: true },
  },
];

streams(
  'a caller that leaves',
  // How much they have read by then is chance.
  leavers.map((one) => ({ ...one, only: ['events', 'logged'] })),
);

compareLanes('an interceptor around a stream', [
  {
    name: 'that passes it on',
    dialects: [GRPC],
    options: { errors: 'catalogue', interceptors: [(next) => next] },
    request: watch,
    stream: () => () => counted(3),
    lane: 'adapter',
  },
]);
