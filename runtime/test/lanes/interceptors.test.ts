// Interceptors: any number of them, whatever they change, wherever they throw; and the contract's rules, which come before.

import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import { type Case, type CaseHandler, compareLanes } from './compare.ts';
import { AnswerSchema } from './contract.ts';
import { CONNECT, DIALECTS, type Dialect, GRPC, wireRequest } from './dialect.ts';
import { AS_THROWN, type LaneOptions } from './subject.ts';

/** Changes what it is asked to. */
function changing(change: Partial<Readonly<Record<'request' | 'answer' | 'header' | 'trailer', true>>>): Interceptor {
  return (next) => async (request) => {
    if (request.stream) {
      return next(request);
    }
    const asked = change.request ? { ...request, message: { ...request.message, text: 'changed' } } : request;
    const response = await next(asked);
    if (change.header) {
      response.header.append('x-intercepted', 'yes');
    }
    if (change.trailer) {
      response.trailer.append('x-intercepted', 'yes');
    }
    return change.answer && !response.stream
      ? { ...response, message: create(AnswerSchema, { text: `${Reflect.get(response.message, 'text')}, changed` }) }
      : response;
  };
}

/** Counts how often it is passed, on the way in and out. */
const passed =
  (name: string): Interceptor =>
  (next) =>
  async (request) => {
    request.header.append('x-passed', name);
    const response = await next(request);
    response.header.append('x-passed', name);
    return response;
  };

const throwing =
  (when: 'before' | 'after', error: () => unknown): Interceptor =>
  (next) =>
  async (request) => {
    if (when === 'after') {
      await next(request);
    }
    throw error();
  };

const tellPassed: CaseHandler =
  () =>
  ({ text }, { requestHeader }) => ({
    text: `${text}: ${requestHeader.get('x-passed')}`,
  });

const STACKS: readonly (readonly [string, readonly Interceptor[], Partial<Case>?])[] = [
  ['none', []],
  ['one that only passes on', [(next) => next]],
  ['one that changes the request', [changing({ request: true })]],
  ['one that changes the answer', [changing({ answer: true })]],
  ['one that sets a header', [changing({ header: true })]],
  ['one that sets a trailer', [changing({ trailer: true })]],
  ['one that sees the call', [passed('a')]],
  ['three, the first outermost', [passed('a'), passed('b'), passed('c')]],
  [
    'three that change everything',
    [changing({ answer: true, trailer: true }), changing({ request: true }), changing({ answer: true, header: true })],
  ],
  [
    'one that answers in place of the handler',
    [
      () => async (request) =>
        ({
          stream: false,
          service: request.service,
          method: request.method,
          message: create(AnswerSchema, { text: 'cached' }),
          header: new Headers({ 'x-cached': 'yes' }),
          trailer: new Headers({ 'x-cached-trailer': 'yes' }),
        }) as never,
    ],
  ],
  [
    'one that replaces the headers of the answer',
    [
      (next) => async (request) => ({
        ...(await next(request)),
        header: new Headers({ 'x-replaced': 'yes' }),
        trailer: new Headers({ 'x-replaced-trailer': 'yes' }),
      }),
    ],
  ],
  [
    'one that throws before',
    [passed('a'), throwing('before', () => new ConnectError('no', Code.PermissionDenied))],
    { expected: { code: Code.PermissionDenied } },
  ],
  [
    'one that throws after',
    [passed('a'), throwing('after', () => new ConnectError('no', Code.Aborted, { 'x-why': 'because' }))],
    { expected: { code: Code.Aborted } },
  ],
  [
    'one that throws what is no ConnectError',
    [throwing('before', () => new Error('secret'))],
    { expected: { code: Code.Internal } },
  ],
  [
    'one that throws at once, not by its promise',
    [
      () => () => {
        throw new ConnectError('no', Code.Unauthenticated);
      },
    ],
    { expected: { code: Code.Unauthenticated } },
  ],
  [
    'one that turns an error into an answer',
    [
      (next) => async (request) => {
        const response = await next({ ...request, header: new Headers({ 'x-passed': 'fail' }) } as never).catch(
          () => undefined,
        );
        return response ?? next(request);
      },
    ],
    {
      handler:
        () =>
        ({ text }, { requestHeader, responseHeader }) => {
          responseHeader.append('x-tries', '1');
          if (requestHeader.get('x-passed') === 'fail') {
            throw new ConnectError('not yet', Code.Unavailable);
          }
          return { text };
        },
    },
  ],
  [
    'one that turns one error into another',
    [
      (next) => (request) =>
        next(request).catch((error: unknown) => {
          throw new ConnectError(ConnectError.from(error).rawMessage, Code.FailedPrecondition);
        }),
    ],
    {
      handler:
        () =>
        (_question, { responseHeader }) => {
          responseHeader.set('x-a', '1');
          throw new ConnectError('after all', Code.DataLoss);
        },
      expected: { code: Code.FailedPrecondition },
    },
  ],
  [
    'one that changes the signal and the values',
    [
      (next) => (request) => {
        const key = { id: Symbol('key'), defaultValue: '' };
        request.contextValues.set(key, 'set');
        return next({ ...request, signal: AbortSignal.abort(new Error('of the interceptor')) } as never);
      },
    ],
    {
      handler:
        () =>
        (_question, { signal }) => ({ text: `${signal.aborted} ${signal.reason}` }),
    },
  ],
  [
    'one that looks at everything',
    [
      (next) => async (request) => {
        const { stream, url, requestMethod, method, service, header, message } = request;
        const response = await next(request);
        response.header.set(
          'x-seen',
          JSON.stringify([
            stream,
            new URL(url).pathname,
            requestMethod,
            method.name,
            service.typeName,
            [...header.keys()].filter((name) => name === 'te'),
            Reflect.get(message, 'text'),
            Object.keys(response).sort(),
          ]),
        );
        return response;
      },
    ],
  ],
];

for (const [mode, base] of [
  ['catalogue', { errors: 'catalogue' }],
  ['as thrown', { errors: 'as-thrown' }],
] as const satisfies readonly (readonly [string, LaneOptions])[]) {
  compareLanes(
    `interceptors, ${mode}`,
    STACKS.map(([name, interceptors, more]) => ({
      name,
      options: { ...base, interceptors },
      dialects: [GRPC, CONNECT],
      handler: tellPassed,
      ...more,
    })),
  );
}

const asking = (count: number) => (_plain: unknown, dialect: Dialect) => wireRequest(dialect, { text: 'q', count });

compareLanes(
  'rules of the contract',
  [
    ['with the catalogue', {}],
    ['as thrown', { options: AS_THROWN }],
  ].flatMap(([mode, options]) => [
    {
      ...(options as Partial<Case>),
      name: `a field that breaks one, ${mode}`,
      dialects: DIALECTS,
      handler: (note: (event: string) => void) => () => {
        note('asked');
        return {};
      },
      request: asking(-1),
      expected: { code: Code.InvalidArgument, message: /count/ },
    },
    { ...(options as Partial<Case>), name: `the most that they allow, ${mode}`, request: asking(1_000) },
  ]),
);

compareLanes('interceptors and rules', [
  {
    name: 'an interceptor is not asked about a request that breaks a rule',
    options: { errors: 'as-thrown', interceptors: [changing({ header: true })] },
    request: asking(2_000),
    expected: { code: Code.InvalidArgument },
  },
]);
