// What a handler may do: answer at once or later, set headers and trailers, look at the request; and what stands around it.

import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { currentCall, remainingMs } from '../../src/server/call.ts';
import { type Case, type CaseHandler, compareLanes } from './compare.ts';
import { AnswerSchema } from './contract.ts';
import { DIALECTS, GET, GET_JSON } from './dialect.ts';
import { AS_THROWN, type LaneContext } from './subject.ts';

const data = Uint8Array.of(0, 127, 255);

compareLanes('an answer', [
  { name: 'at once, of fields', handler: () => () => ({ text: 'now', count: 2, data }), oracle: true },
  { name: 'at once, a message', handler: () => () => create(AnswerSchema, { text: 'now', data }), oracle: true },
  { name: 'later, of fields', handler: () => async () => ({ text: 'then', count: -5 }), oracle: true },
  {
    name: 'later, a message',
    handler: () => async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return create(AnswerSchema, { text: 'then' });
    },
    oracle: true,
  },
  {
    name: 'by a thenable that is no promise',
    handler: () => () => ({
      // biome-ignore lint/suspicious/noThenProperty: that is the case.
      then(resolve) {
        resolve?.({ text: 'thenable' });
        return Promise.reject(new Error('nobody looks at this')).catch(() => undefined as never);
      },
    }),
    oracle: true,
  },
  {
    name: 'by a thenable that rejects',
    handler: () => () => ({
      // biome-ignore lint/suspicious/noThenProperty: that is the case.
      then(_resolve, reject) {
        reject?.(new ConnectError('no', Code.OutOfRange));
        return Promise.resolve(undefined as never);
      },
    }),
    expected: { code: Code.OutOfRange },
  },
  {
    name: 'by a thenable whose then throws',
    handler: () => () => ({
      // biome-ignore lint/suspicious/noThenProperty: that is the case.
      then() {
        throw new ConnectError('no', Code.OutOfRange);
      },
    }),
    expected: { code: Code.OutOfRange },
  },
  { name: 'of nothing', handler: () => () => ({}), oracle: true },
  { name: 'of Unicode', handler: () => () => ({ text: '☃ 😀 \u0000 "' }), oracle: true },
  // create() of nothing is an empty message, with Connect as here.
  { name: 'that is undefined', handler: () => () => undefined as never },
  { name: 'that is null', handler: () => () => null as never },
  { name: 'that is a text', handler: () => () => 'text' as never },
  {
    name: 'with a field of another type',
    handler: () => () => ({ count: 'many' }) as never,
    expected: { code: Code.Internal },
  },
  {
    name: 'with a number that does not fit its field',
    handler: () => () => ({ count: 2 ** 40 }),
    // The library's JSON does not look.
    expected: ({ isBinary }) => (isBinary ? { code: Code.Internal } : {}),
  },
  {
    name: 'with half a character',
    handler: () => () => ({ text: '\ud83d' }),
  },
]);

const setting =
  (set: (context: LaneContext) => void, then: 'answers' | 'throws' = 'answers'): CaseHandler =>
  () =>
  (_question, context) => {
    set(context);
    if (then === 'throws') {
      throw new ConnectError('after all', Code.DataLoss);
    }
    return { text: 'fine' };
  };

const SETS: readonly (readonly [string, (context: LaneContext) => void, Partial<Case>?])[] = [
  ['a header', ({ responseHeader }) => responseHeader.set('x-a', '1'), { oracle: true }],
  ['a trailer', ({ responseTrailer }) => responseTrailer.set('x-a', '1'), { oracle: true }],
  [
    'two values of a header and of a trailer',
    ({ responseHeader, responseTrailer }) => {
      for (const headers of [responseHeader, responseTrailer]) {
        headers.append('x-a', '1');
        headers.append('x-a', '2');
      }
    },
    { oracle: true },
  ],
  [
    'bytes',
    ({ responseHeader, responseTrailer }) => {
      responseHeader.append('x-a-bin', 'AAEC');
      responseHeader.append('x-a-bin', '/v8');
      responseTrailer.append('x-b-bin', 'AAEC/w');
    },
    { oracle: true },
  ],
  [
    'cookies',
    ({ responseHeader }) => {
      responseHeader.append('set-cookie', 'a=1; Expires=Thu, 01 Jan 2099 00:00:00 GMT');
      responseHeader.append('set-cookie', 'b=2');
    },
  ],
  [
    'cookies as trailers',
    ({ responseTrailer }) => {
      responseTrailer.append('set-cookie', 'a=1');
      responseTrailer.append('set-cookie', 'b=2');
    },
    {
      lanesDiffer: ({ protocol }) =>
        protocol === 'connect'
          ? { headers: 'Headers joins what is no set-cookie by name; trailers are no place for it' }
          : {},
    },
  ],
  ['an empty header', ({ responseHeader }) => responseHeader.set('x-a', '')],
  ['a header that HTTP/2 forbids', ({ responseHeader }) => responseHeader.set('connection', 'close')],
  ['a trailer that HTTP/2 forbids', ({ responseTrailer }) => responseTrailer.set('transfer-encoding', 'chunked')],
  [
    'a content type',
    ({ responseHeader }) => responseHeader.set('content-type', 'text/plain'),
    { dialects: DIALECTS.filter(({ isGet }) => !isGet) },
  ],
  ['a content length', ({ responseHeader }) => responseHeader.set('content-length', '3')],
  ['a date', ({ responseHeader }) => responseHeader.set('date', 'Thu, 01 Jan 1970 00:00:00 GMT')],
  ['a content encoding', ({ responseHeader }) => responseHeader.set('x-content-encoding', 'none')],
  [
    'te and trailer',
    ({ responseHeader }) => {
      responseHeader.set('te', 'trailers');
      responseHeader.set('trailer', 'x-a');
    },
  ],
  ['a status of its own in trailers', ({ responseTrailer }) => responseTrailer.set('x-grpc-status', '7')],
  [
    'and takes back a header',
    ({ responseHeader }) => {
      responseHeader.set('x-a', '1');
      responseHeader.delete('x-a');
    },
  ],
  ['a header of many bytes', ({ responseHeader }) => responseHeader.set('x-a', 'y'.repeat(8_000))],
  ['a header of Latin letters', ({ responseHeader }) => responseHeader.set('x-a', 'naïve')],
];

compareLanes(
  'a handler that sets',
  SETS.flatMap(([name, set, more]) => [
    { name, handler: setting(set), ...more },
    {
      name: `${name}, and then fails`,
      options: AS_THROWN,
      handler: setting(set, 'throws'),
      expected: { code: Code.DataLoss },
      ...more,
    },
  ]),
);

compareLanes('a handler that sets a content type, got', [
  {
    name: 'and answers',
    dialects: [GET, GET_JSON],
    handler: setting(({ responseHeader }) => responseHeader.set('content-type', 'text/plain')),
  },
]);

compareLanes('a handler that only looks at its headers', [
  {
    name: 'and answers',
    handler: setting(({ responseHeader, responseTrailer }) => void [responseHeader, responseTrailer]),
  },
  {
    name: 'and tells what is there',
    handler:
      () =>
      (_question, { responseHeader, responseTrailer }) => ({
        text: JSON.stringify([[...responseHeader], [...responseTrailer]]),
      }),
  },
  {
    name: 'and fails',
    options: AS_THROWN,
    handler: setting(({ responseHeader, responseTrailer }) => void [responseHeader, responseTrailer], 'throws'),
    expected: { code: Code.DataLoss },
  },
]);

const TIMEOUT = /^(grpc-timeout|connect-timeout-ms)$/;
const SEEN = /^(x-|content-type|te$|connect-protocol-version|grpc-encoding|authorization|cookie)/;

compareLanes('what the handler sees', [
  {
    name: 'headers, those that came twice joined',
    request: (plain) => ({
      ...plain,
      headers: {
        ...plain.headers,
        'x-a': ['1', '2'],
        'x-b-bin': 'AAEC',
        cookie: ['a=1', 'b=2'],
        authorization: 'Bearer t',
      },
    }),
    handler:
      () =>
      (_question, { requestHeader }) => ({
        text: JSON.stringify([...requestHeader].filter(([name]) => SEEN.test(name))),
      }),
  },
  {
    name: 'all headers but the timeout',
    handler:
      () =>
      (_question, { requestHeader }) => ({
        text: JSON.stringify([...requestHeader].filter(([name]) => !TIMEOUT.test(name))),
      }),
  },
  {
    name: 'the timeout, which it is to ask its context for',
    handler:
      () =>
      (_question, { requestHeader }) => ({
        text: JSON.stringify([...requestHeader].filter(([name]) => TIMEOUT.test(name))),
      }),
    lanesDiffer: ({ protocol }) => {
      const why = 'the adapter tells Connect by that header of the deadline that holds';
      return protocol === 'grpc' ? { messages: why } : { messages: why, headers: 'which makes the answer longer' };
    },
  },
  {
    name: 'the verb, the protocol, the path, the names',
    handler:
      () =>
      (_question, { requestMethod, protocolName, url, method, service }) => ({
        text: JSON.stringify([
          requestMethod,
          protocolName,
          new URL(url ?? '').pathname,
          method?.name,
          service?.typeName,
        ]),
      }),
  },
  {
    name: 'its call',
    handler: () => () => {
      const call = currentCall();
      return { text: JSON.stringify([call?.rpc, call?.policy, call?.traceId, call?.traceHeaders]) };
    },
    request: (plain) => ({
      ...plain,
      headers: { ...plain.headers, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
    }),
  },
  {
    name: 'its call after it has waited',
    handler: () => async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return { text: String(currentCall()?.rpc) };
    },
  },
  {
    name: 'the time that policy leaves',
    handler:
      () =>
      (_question, { timeoutMs }) => {
        const left = [remainingMs(), timeoutMs?.()].map((ms) => ms !== undefined && ms > 1_000 && ms <= 20_000);
        return { text: JSON.stringify(left) };
      },
  },
  {
    name: 'no deadline where there is none',
    options: { limits: { defaultDeadlineMs: Infinity } },
    handler:
      () =>
      (_question, { timeoutMs }) => ({ text: `${remainingMs()} ${timeoutMs?.()}` }),
  },
  {
    name: 'a signal that has not aborted, and does not when the call ends well',
    handler:
      (note) =>
      (_question, { signal }) => {
        signal.addEventListener('abort', () => note('aborted'));
        return { text: String(signal.aborted) };
      },
  },
]);
