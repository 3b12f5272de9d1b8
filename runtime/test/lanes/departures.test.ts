// A caller that leaves: whether the handler hears of it, in what order, and what the caller still sees, on either lane.

import { type ClientHttp2Stream, constants } from 'node:http2';
import { Code, ConnectError } from '@connectrpc/connect';
import { currentCall } from '../../src/server/call.ts';
import { type Case, type CaseHandler, compareLanes } from './compare.ts';
import { GRPC } from './dialect.ts';
import { AS_THROWN, echo } from './subject.ts';
import type { Conduct } from './wire.ts';

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants;
const cancelled = { reset: 'CANCEL' } as const;

/** What the caller of the case that runs does once the handler has begun. */
let onBegun: () => void = () => {};

/** Sends its question, and does something once the handler has begun. */
const onceBegun =
  (act: (stream: ClientHttp2Stream) => void): Conduct =>
  (stream, body) => {
    onBegun = () => act(stream);
    stream.end(Buffer.concat(body));
  };

const leaving = (code: number): Conduct => onceBegun((stream) => stream.close(code));

/** Begins, hears of the end, and then does as `then` says. */
const hearing =
  (then: () => unknown): CaseHandler =>
  (note) =>
  async (_question, { signal }) => {
    note(`begun ${signal.aborted}`);
    const heard = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    setImmediate(onBegun);
    await heard;
    const { reason } = signal;
    note(`heard ${reason instanceof ConnectError ? Code[reason.code] : reason}`);
    const value = then();
    note('ends');
    if (value instanceof Error) {
      throw value;
    }
    return value as object;
  };

const ENDINGS: readonly (readonly [string, () => unknown])[] = [
  ['answers all the same', () => ({ text: 'to nobody' })],
  ['throws a ConnectError', () => new ConnectError('gone', Code.Canceled)],
  ['throws another ConnectError', () => new ConnectError('broken', Code.DataLoss)],
  ['throws no ConnectError', () => new Error('secret')],
];

for (const [mode, options] of [
  ['as thrown', AS_THROWN],
  ['with policy', undefined],
] as const) {
  compareLanes(
    `a caller leaves while the handler works, ${mode}, which`,
    ENDINGS.map(([name, then]) => ({
      name,
      ...(options === undefined ? {} : { options }),
      handler: hearing(then),
      conduct: leaving(NGHTTP2_CANCEL),
      events: 3,
      expected: cancelled,
    })),
  );
}

compareLanes('a caller leaves with', [
  ...[
    [NGHTTP2_NO_ERROR, 'NO_ERROR'],
    [NGHTTP2_INTERNAL_ERROR, 'INTERNAL_ERROR'],
    [NGHTTP2_REFUSED_STREAM, 'REFUSED_STREAM'],
  ].map(
    ([code, name]): Case => ({
      name: String(name),
      handler: hearing(() => ({})),
      conduct: leaving(Number(code)),
      events: 3,
      expected: { isLeft: true },
    }),
  ),
  {
    name: 'its connection',
    handler: hearing(() => ({})),
    conduct: onceBegun((stream) => stream.session?.destroy()),
    events: 3,
    expected: { isLeft: true },
  },
]);

compareLanes('a caller leaves after the answer has begun', [
  {
    name: 'and is not told to a handler that is done',
    handler: (note) => (question, context) => {
      note('begun');
      context.signal.addEventListener('abort', () => note('aborted'));
      return echo(question, context);
    },
    conduct: (stream, body) => {
      stream.once('response', () => stream.close(NGHTTP2_CANCEL));
      stream.end(Buffer.concat(body));
    },
    events: 1,
    expected: cancelled,
  },
]);

compareLanes('who asks later hears of it too:', [
  {
    name: 'by the signal',
    handler: (note) => async () => {
      const call = currentCall();
      const left = new Promise<void>((resolve) => call?.onAbort(() => resolve()));
      setImmediate(onBegun);
      await left;
      note(`${call?.signal.aborted} ${call?.signal.reason?.code} ${call?.abortReason?.code}`);
      call?.onAbort((reason) => note(`told ${reason.code}`));
      return {};
    },
    conduct: leaving(NGHTTP2_CANCEL),
    events: 2,
    expected: cancelled,
  },
]);

compareLanes('a caller that goes on sending after its answer', [
  {
    name: 'and ends',
    dialects: [GRPC],
    options: { errors: 'as-thrown', limits: { readMaxBytes: 100 } },
    conduct: (stream) => {
      stream.write(Buffer.from([0, 0, 1, 0, 0]));
      stream.once('response', () => {
        stream.write(Buffer.alloc(200_000));
        stream.end();
      });
    },
    expected: { code: Code.ResourceExhausted },
    lane: 'adapter',
  },
  {
    name: 'and never ends',
    dialects: [GRPC],
    options: { errors: 'as-thrown', limits: { readMaxBytes: 100 } },
    conduct: (stream) => void stream.write(Buffer.from([0, 0, 1, 0, 0])),
    expected: { code: Code.ResourceExhausted },
    lane: 'adapter',
  },
]);
