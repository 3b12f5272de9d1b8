// However a caller says how long it waits, both lanes understand it alike, and end the call alike whatever the handler does.

import { Code, ConnectError } from '@connectrpc/connect';
import { remainingMs } from '../../src/server/call.ts';
import { type CaseHandler, type CaseRequest, compareLanes, type Expected } from './compare.ts';
import { lanesPolicy } from './contract.ts';
import {
  CONNECT,
  CONNECT_JSON,
  DIALECTS,
  type Dialect,
  GET,
  GRPC,
  GRPC_JSON,
  timeoutHeader,
  wireRequest,
} from './dialect.ts';
import { AS_THROWN, type LaneOptions } from './subject.ts';

const FOREVER = new Promise<never>(() => {});
const SHORT_MS = 40;
const ENDLESS: LaneOptions = { errors: 'as-thrown', limits: { defaultDeadlineMs: Infinity } };

const late: Expected = { code: Code.DeadlineExceeded };
const soon: CaseRequest = (plain, dialect) => ({
  ...plain,
  headers: { ...plain.headers, ...timeoutHeader(dialect, SHORT_MS) },
});

/** Tells when it begins and when it hears of its end. */
const heard =
  (then: () => unknown): CaseHandler =>
  (note) =>
  (_question, { signal }) => {
    note('begun');
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => {
        const { reason } = signal;
        note(`heard ${reason instanceof ConnectError ? Code[reason.code] : reason}`);
        const value = then();
        note('ended');
        if (value instanceof Error) {
          reject(value);
        } else {
          resolve(value as object);
        }
      });
    });
  };

const ENDINGS: readonly (readonly [string, CaseHandler, number])[] = [
  ['never ends', () => () => FOREVER, 0],
  ['hears of it and answers all the same', heard(() => ({ text: 'too late' })), 3],
  ['hears of it and throws something else', heard(() => new ConnectError('other', Code.DataLoss)), 3],
  ['hears of it and throws no ConnectError', heard(() => new Error('secret')), 3],
  [
    "throws the signal's reason",
    () =>
      async (_question, { signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        throw signal.reason;
      },
    0,
  ],
  [
    'has set headers and trailers',
    () =>
      (_question, { responseHeader, responseTrailer }) => {
        responseHeader.set('x-a', '1');
        responseTrailer.set('x-b', '2');
        return FOREVER;
      },
    0,
  ],
];

for (const [mode, options] of [
  ['as thrown', AS_THROWN],
  ['with policy', undefined],
] as const) {
  compareLanes(
    `a deadline that passes while the handler, ${mode}`,
    ENDINGS.map(([name, handler, events]) => ({
      name,
      ...(options === undefined ? {} : { options }),
      handler,
      events,
      request: soon,
      expected: late,
    })),
  );
}

/** Whether there is time left, roughly: what is asked for is either far away or not there. */
const tellTime: CaseHandler = () => () => {
  const ms = remainingMs();
  return { text: ms === undefined ? 'endless' : ms > 100_000_000 ? 'centuries' : ms > 1_000 ? 'long' : 'short' };
};

type Timeout = readonly [text: string, expected: Expected | undefined];

const bad: Expected = { code: Code.InvalidArgument };
const GRPC_TIMEOUTS: readonly Timeout[] = [
  ['99999999H', undefined],
  ['99999999M', undefined],
  ['99999999S', undefined],
  ['99999999m', undefined],
  ['99999999u', undefined],
  ['0H', late],
  ['0m', late],
  ['0n', late],
  ['00000000S', late],
  ['00000050S', undefined],
  ['-1S', bad],
  ['+5S', bad],
  ['5', bad],
  ['S', bad],
  ['', bad],
  ['5s', bad],
  ['5 S', bad],
  [' 5S', undefined],
  ['1.5S', bad],
  ['0x5S', bad],
  ['123456789S', bad],
  ['5Sm', bad],
  ['1e3m', bad],
  ['NaNm', bad],
  ['5S, 6S', bad],
];

const CONNECT_TIMEOUTS: readonly Timeout[] = [
  ['9999999999', undefined],
  ['99999999999', bad],
  ['2147483648', undefined],
  ['0', late],
  ['0000000000', late],
  ['0000005000', undefined],
  ['-1', bad],
  ['+5', bad],
  ['', bad],
  ['5s', bad],
  ['5.5', bad],
  [' 5000', undefined],
  ['1e3', bad],
  ['0x10', bad],
  ['NaN', bad],
  ['5000, 6000', bad],
];

function timeouts(title: string, header: string, all: readonly Timeout[], dialects: readonly Dialect[]): void {
  for (const [mode, options] of [
    ['as thrown', AS_THROWN],
    ['with policy', undefined],
    ['without any deadline of the server', ENDLESS],
  ] as const) {
    compareLanes(
      `${title}, ${mode}`,
      all.map(([text, expected]) => ({
        name: JSON.stringify(text),
        ...(options === undefined ? {} : { options }),
        dialects,
        handler: tellTime,
        request: (plain) => ({ ...plain, headers: { ...plain.headers, [header]: text } }),
        ...(expected === undefined ? {} : { expected }),
        lane: expected === bad ? 'adapter' : 'fast',
      })),
    );
  }
}

timeouts('grpc-timeout', 'grpc-timeout', GRPC_TIMEOUTS, [GRPC, GRPC_JSON]);
timeouts('connect-timeout-ms', 'connect-timeout-ms', CONNECT_TIMEOUTS, [CONNECT, CONNECT_JSON, GET]);

const capped: LaneOptions = {
  workload: 'lanes',
  policy: {
    ...lanesPolicy,
    'weft.test.v1.LanesService/Ask': { ...lanesPolicy['weft.test.v1.LanesService/Ask'], deadlineMs: SHORT_MS },
    'weft.test.v1.LanesService/Look': { ...lanesPolicy['weft.test.v1.LanesService/Look'], deadlineMs: SHORT_MS },
  },
};

compareLanes('the deadline of the contract', [
  { name: 'holds for a caller without one', options: capped, handler: () => () => FOREVER, expected: late },
  {
    name: 'holds for a caller that would wait longer',
    options: capped,
    handler: () => () => FOREVER,
    request: (plain, dialect) => ({ ...plain, headers: { ...plain.headers, ...timeoutHeader(dialect, 50_000) } }),
    expected: late,
  },
  {
    name: 'holds for a caller whose timeout is that of the other protocol',
    options: capped,
    handler: () => () => FOREVER,
    request: (plain, dialect) => ({
      ...plain,
      headers: {
        ...plain.headers,
        ...(dialect.protocol === 'grpc' ? { 'connect-timeout-ms': '0' } : { 'grpc-timeout': '0m' }),
      },
    }),
    expected: late,
  },
  {
    name: 'holds for a caller that does not finish its request',
    options: capped,
    dialects: DIALECTS.filter(({ isGet }) => !isGet),
    conduct: (stream, body) => void stream.write(body[0]?.subarray(0, 4)),
    expected: late,
  },
  {
    name: 'holds for a caller that sends nothing',
    options: capped,
    dialects: DIALECTS.filter(({ isGet }) => !isGet),
    conduct: () => {},
    expected: late,
  },
]);

compareLanes('two timeouts', [
  {
    name: 'are none that can be understood',
    dialects: [GRPC, CONNECT],
    request: (_plain, dialect) => {
      const { headers, body } = wireRequest(dialect);
      const name = dialect.protocol === 'grpc' ? 'grpc-timeout' : 'connect-timeout-ms';
      return { body, headers: { ...headers, [name]: dialect.protocol === 'grpc' ? ['5S', '6S'] : ['5000', '6000'] } };
    },
    expected: bad,
    lane: 'adapter',
  },
]);
