// Every status, whatever its text and whatever comes with it, is told alike by both lanes, and as grpc-js tells it.

import { Code, ConnectError } from '@connectrpc/connect';
import { ErrorInfoSchema, RetryInfoSchema } from '../../src/errors/details.ts';
import { fail } from '../../src/errors/fail.ts';
import { type CaseHandler, compareLanes } from './compare.ts';
import { AS_THROWN } from './subject.ts';

const CODES = Object.values(Code).filter((code): code is Code => typeof code === 'number');

const MESSAGES: readonly (readonly [string, string])[] = [
  ['no text', ''],
  ['Unicode', 'naïve ☃ 😀 日本'],
  ['percent signs', '100% %25 %zz %'],
  ['line breaks', 'one\ntwo\r\nthree\u0000'],
  ['what percent-encoding may leave', "it's (all) *fine*! ~tilde_under-score.dot/slash?query&and=is"],
  ['spaces at its ends', '  spaced  '],
  ['much text', 'long '.repeat(400)],
];

function throwing(error: () => unknown): CaseHandler {
  return () => () => {
    throw error();
  };
}

const details = () => [
  { desc: ErrorInfoSchema, value: { reason: 'WHY', domain: 'tests', metadata: { a: 'ü' } } },
  { desc: RetryInfoSchema, value: { retryDelay: { seconds: 1n, nanos: 2 } } },
];

compareLanes(
  'a ConnectError goes out as thrown',
  CODES.map((code) => ({
    name: Code[code],
    options: AS_THROWN,
    handler: throwing(() => new ConnectError('why', code)),
    expected: { code, message: 'why' },
    oracle: true,
  })),
);

compareLanes(
  'its text may be anything',
  MESSAGES.map(([name, text]) => ({
    name,
    options: AS_THROWN,
    handler: throwing(() => new ConnectError(text, Code.NotFound)),
    expected: { code: Code.NotFound, message: text },
    oracle: true,
  })),
);

compareLanes(
  'its details come with it',
  [Code.Canceled, Code.Unknown, Code.InvalidArgument, Code.Internal, Code.Unauthenticated].map((code) => ({
    name: Code[code],
    options: AS_THROWN,
    handler: throwing(() => new ConnectError('why', code, undefined, details())),
    expected: { code },
    oracle: true,
  })),
);

const withMetadata = (headers: ConstructorParameters<typeof Headers>[0]) =>
  throwing(() => new ConnectError('why', Code.Aborted, headers));

compareLanes('its metadata comes with it', [
  {
    name: 'one value',
    options: AS_THROWN,
    handler: withMetadata({ 'x-why': 'because' }),
    expected: { code: Code.Aborted },
    oracle: true,
  },
  {
    name: 'two values of a name',
    options: AS_THROWN,
    handler: withMetadata([
      ['x-why', 'because'],
      ['x-why', 'therefore'],
    ]),
    expected: { code: Code.Aborted },
    oracle: true,
  },
  {
    name: 'bytes',
    options: AS_THROWN,
    handler: withMetadata({ 'x-why-bin': Buffer.from([0, 1, 254, 255]).toString('base64').replaceAll('=', '') }),
    expected: { code: Code.Aborted },
    oracle: true,
  },
  {
    name: 'no value',
    options: AS_THROWN,
    handler: withMetadata({ 'x-why': '' }),
    expected: { code: Code.Aborted },
    oracle: true,
  },
  {
    name: "names that are the protocol's",
    options: AS_THROWN,
    handler: withMetadata({
      'content-type': 'text/html',
      'content-length': '7',
      'grpc-status': '0',
      'grpc-message': 'fine',
      'content-encoding': 'gzip',
      te: 'trailers',
    }),
    expected: { code: Code.Aborted, message: 'why' },
  },
  {
    name: 'cookies',
    options: AS_THROWN,
    handler: withMetadata([
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2; Path=/'],
    ]),
    expected: { code: Code.Aborted },
  },
  {
    name: 'trailers and headers that were set before it was thrown',
    options: AS_THROWN,
    handler: () => (_question, context) => {
      context.responseHeader.set('x-header', 'set');
      context.responseTrailer.set('x-trailer', 'set');
      throw new ConnectError('why', Code.Aborted, { 'x-why': 'because' });
    },
    expected: { code: Code.Aborted },
    oracle: true,
  },
  {
    name: 'trailers alone that were set before it was thrown',
    options: AS_THROWN,
    handler: () => (_question, context) => {
      context.responseTrailer.set('x-trailer', 'set');
      throw new ConnectError('why', Code.Aborted);
    },
    expected: { code: Code.Aborted },
    oracle: true,
  },
  {
    name: "a callee's error, whose metadata stays",
    options: AS_THROWN,
    handler: throwing(() => {
      const error = new ConnectError('why', Code.Aborted, { 'x-why': 'because' }, details());
      error.isWireError = true;
      return error;
    }),
    expected: { code: Code.Aborted },
  },
]);

const NOT_CONNECT_ERRORS: readonly (readonly [string, () => unknown])[] = [
  ['a plain Error', () => new Error('the password is 1234')],
  ['an Error with a code', () => Object.assign(new Error('ENOENT /srv/secret'), { code: 'ENOENT' })],
  ['a DOMException', () => new DOMException('gone', 'AbortError')],
  ['a text', () => 'secret'],
  ['undefined', () => undefined],
  ['null', () => null],
  [
    'an object that looks like a ConnectError',
    () => ({ code: 5, rawMessage: 'secret', details: [], metadata: new Headers() }),
  ],
];

const asynchronously =
  (error: () => unknown): CaseHandler =>
  () =>
  async () => {
    throw error();
  };

for (const [mode, options] of [
  ['as thrown', AS_THROWN],
  ['catalogue', undefined],
  ['catalogue without policy', { errors: 'catalogue' } as const],
] as const) {
  const withOptions = options === undefined ? {} : { options };
  compareLanes(
    `whatever else is thrown is INTERNAL without its text, ${mode}`,
    NOT_CONNECT_ERRORS.flatMap(([name, error]) => [
      { ...withOptions, name: `${name}, thrown`, handler: throwing(error), expected: { code: Code.Internal } },
      { ...withOptions, name: `${name}, rejected`, handler: asynchronously(error), expected: { code: Code.Internal } },
    ]),
  );
}

const asThrownWithPolicy = { ...AS_THROWN, errors: 'as-thrown' } as const;

compareLanes('the catalogue', [
  ...CODES.map((code) => ({
    name: `gives a reason to ${Code[code]} where it has one, and hides faults`,
    handler: throwing(() => new ConnectError('why', code, { 'x-why': 'because' }, details())),
    expected: { code: [Code.Unknown, Code.DataLoss].includes(code) ? Code.Internal : code },
  })),
  {
    name: 'lets its own errors pass',
    handler: throwing(() =>
      fail(
        'INSUFFICIENT_STOCK',
        'only 3 left',
        { available: '3' },
        { retryAfterMs: 20, fieldViolations: [{ field: 'a', description: 'b' }] },
      ),
    ),
    expected: { code: Code.FailedPrecondition, message: 'only 3 left' },
  },
  {
    name: "hides a callee's untyped error",
    handler: throwing(() => {
      const error = new ConnectError('at 10.0.0.7', Code.Unavailable);
      error.isWireError = true;
      return error;
    }),
    expected: { code: Code.Internal },
  },
  {
    name: 'is not used where it is not wanted',
    options: asThrownWithPolicy,
    handler: throwing(() => new ConnectError('at 10.0.0.7', Code.Unknown)),
    expected: { code: Code.Unknown, message: 'at 10.0.0.7' },
  },
]);
