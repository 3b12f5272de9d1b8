/**
 * Runs a table of cases through both lanes of a server, and, where gRPC's own ways are in question, through grpc-js, and compares
 * all that came back. Where two differ and may, the case says where and why: a difference that is gone fails as well.
 */

import { isDeepStrictEqual } from 'node:util';
import { Code } from '@connectrpc/connect';
import { codeToHttpStatus } from '@connectrpc/connect/protocol-connect';
import { afterAll, describe, expect, test, vi } from 'vitest';
import type { LaneCounts } from '../../src/server/accept.ts';
import { DIALECTS, type Dialect, GRPC, type WireRequest, wireRequest } from './dialect.ts';
import { type Observed, observe } from './observed.ts';
import {
  current,
  echo,
  type LaneHandler,
  type LaneOptions,
  type StreamHandler,
  type Subject,
  serveLanes,
  serveOracle,
  WITH_POLICY,
} from './subject.ts';
import { type Conduct, request } from './wire.ts';

/** All that is known of one run of a case. */
export type Run = Observed & {
  /** What the handler told of itself, in order. */
  readonly events: readonly string[];
  /** What was logged: level and message. */
  readonly logged: readonly string[];
};

/** A field in which two answers may differ, and why. */
export type Accepted = Partial<Readonly<Record<keyof Run, string>>>;

/** What both lanes must answer. */
export type Expected = {
  /** Absent: it goes well. */
  readonly code?: Code;
  readonly message?: string | RegExp;
  /** HTTP status, where it does not follow from the code. */
  readonly http?: number;
  readonly reset?: string;
  /** The caller does not wait for the answer: nothing is expected of it. */
  readonly isLeft?: true;
};

/** What a handler does, and tells of itself by `note`. */
export type CaseHandler = (note: (event: string) => void) => LaneHandler;

/** The request of a case, made of the one that a well-behaved client would send. */
export type CaseRequest = (plain: WireRequest, dialect: Dialect) => WireRequest;

/** One case. */
export type Case = {
  readonly name: string;
  /** Default: it gives back what it gets. */
  readonly handler?: CaseHandler;
  /** For an RPC that answers with a stream. */
  readonly stream?: (note: (event: string) => void) => StreamHandler;
  /** Default: the request of a well-behaved client. */
  readonly request?: CaseRequest;
  readonly conduct?: Conduct;
  /** Options of the server. Default: with policy. Tables share servers by sharing this object. */
  readonly options?: LaneOptions;
  /** Default: all. */
  readonly dialects?: readonly Dialect[];
  readonly expected?: Expected | ((dialect: Dialect) => Expected);
  /** The fields that are compared, where what came back is chance. Default: all. */
  readonly only?: readonly (keyof Run)[];
  /** How many events to wait for after the answer. Default: as many as there are by then. */
  readonly events?: number;
  /** The lane that answers on a server that has both; `none`: it has no whole answer, or the server refuses before there is a call. */
  readonly lane?: 'fast' | 'adapter' | 'none' | ((dialect: Dialect) => 'fast' | 'adapter' | 'none');
  /** Where the lanes may differ. */
  readonly lanesDiffer?: Accepted | ((dialect: Dialect) => Accepted);
  /** Why it fails as yet, and in which dialects (default: all): passing is a failure then, so that this is taken away. */
  readonly open?: { readonly why: string; readonly dialects?: readonly Dialect[] };
  /** Whether grpc-js is asked as well; with fields where it may differ. Default: no. */
  readonly oracle?: boolean | Accepted;
};

/** Fields in which grpc-js is compared: what the protocol promises. How headers are spelled is each server's own affair. */
const PROMISED = [
  'status',
  'message',
  'details',
  'messages',
  'endedByHeaders',
  'reset',
  'events',
  'headers',
  'trailers',
] as const;
const HTTP_OK = 200;
const TOLD_MAX_CHARACTERS = 600;

/** Headers that are no metadata of the handler's. */
const OF_THE_SERVER =
  /^(:|content-|date:|grpc-status|grpc-message|grpc-encoding|grpc-accept-encoding|x-weft-trace-id|server:)/;

/** Servers by their options, started when first asked for. */
const subjects = new Map<LaneOptions | 'oracle', Promise<Readonly<Record<string, Subject>>>>();
let oracle: Promise<Subject> | undefined;

async function lanesOf(options: LaneOptions) {
  let known = subjects.get(options);
  if (known === undefined) {
    known = Promise.all([serveLanes(options, true), serveLanes(options, false)]).then(([fast, adapter]) => ({
      fast,
      adapter,
    }));
    subjects.set(options, known);
  }
  const { fast, adapter } = await known;
  if (fast === undefined || adapter === undefined) {
    throw new Error('a server is missing');
  }
  return { fast, adapter };
}

afterAll(async () => {
  const all = await Promise.all([...subjects.values()]);
  await Promise.all([...all.flatMap((pair) => Object.values(pair)), await oracle].map((one) => one?.close()));
});

/** Makes a test of every case in each of its dialects. */
export function compareLanes(title: string, cases: readonly Case[]): void {
  describe(title, () => {
    for (const one of cases) {
      const dialects = one.dialects ?? DIALECTS;
      for (const dialect of dialects) {
        const isOpen = one.open !== undefined && (one.open.dialects ?? dialects).includes(dialect);
        test(`${one.name} (${dialect.name})`, { fails: isOpen }, () => check(one, dialect));
      }
    }
  });
}

async function check(one: Case, dialect: Dialect): Promise<void> {
  const { fast, adapter } = await lanesOf(one.options ?? WITH_POLICY);
  const before = fast.lanes;
  const byFast = await run(one, dialect, fast);
  const answered = await laneOf(fast, before, one.lane === 'none');
  const byAdapter = await run(one, dialect, adapter);

  const { expected = {}, lane = 'fast', lanesDiffer = {} } = one;
  const mayDiffer = typeof lanesDiffer === 'function' ? lanesDiffer(dialect) : lanesDiffer;
  const problems = [
    ...notMet(byFast, dialect, typeof expected === 'function' ? expected(dialect) : expected),
    ...differences(
      ['fast', byFast],
      ['adapter', byAdapter],
      mayDiffer,
      one.only ?? (Object.keys(byFast) as (keyof Run)[]),
    ),
  ];
  const wanted = typeof lane === 'function' ? lane(dialect) : lane;
  if (answered !== wanted) {
    problems.push(`the lane that answered is ${answered}, not ${wanted}`);
  }
  if (one.oracle !== undefined && one.oracle !== false && dialect === GRPC) {
    oracle ??= serveOracle();
    const byOracle = withMetadataOnly(await run(one, dialect, await oracle));
    const accepted = one.oracle === true ? {} : one.oracle;
    problems.push(...differences(['fast', withMetadataOnly(byFast)], ['grpc-js', byOracle], accepted, PROMISED));
  }
  if (problems.length > 0) {
    expect.fail(problems.join('\n'));
  }
}

/** The lane that has answered since. A call that its caller has left is counted a little later than that. */
async function laneOf(asked: Subject, before: LaneCounts | undefined, isNone: boolean): Promise<string> {
  const read = () => {
    const { fast = 0, adapter = 0 } = asked.lanes ?? {};
    return fast > (before?.fast ?? 0) ? 'fast' : adapter > (before?.adapter ?? 0) ? 'adapter' : 'none';
  };
  if (!isNone) {
    await vi.waitFor(() => expect(read()).not.toBe('none'), { timeout: 10_000 });
  }
  return read();
}

async function run(one: Case, dialect: Dialect, asked: Subject): Promise<Run> {
  const events: string[] = [];
  const logged: string[] = [];
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((line) => {
    const { level, message } = JSON.parse(String(line));
    logged.push(`${level} ${message}`);
    return true;
  });
  try {
    const note = (event: string) => events.push(event);
    current.handler = one.handler?.(note) ?? echo;
    if (one.stream !== undefined) {
      current.stream = one.stream(note);
    }
    const plain = wireRequest(dialect, { text: 'question', count: 1 });
    const answer = await request(await asked.connection(), one.request?.(plain, dialect) ?? plain, one.conduct);
    if (one.events !== undefined) {
      await vi.waitFor(() => expect(events).toHaveLength(one.events ?? 0), { timeout: 10_000 });
    }
    return { ...observe(dialect, answer), events, logged };
  } finally {
    stderr.mockRestore();
  }
}

/** What of an answer is not as expected. */
function notMet(got: Run, { protocol }: Dialect, expected: Expected): string[] {
  const { code, message, reset = 'NO_ERROR', isLeft = false } = expected;
  if (isLeft) {
    return [];
  }
  const http = expected.http ?? (protocol === 'grpc' || code === undefined ? HTTP_OK : codeToHttpStatus(code));
  const status = code === undefined ? 'OK' : Code[code];
  const whole: readonly (readonly [string, unknown, unknown])[] = [
    ['HTTP status', got.httpStatus, String(http)],
    ['status', got.status, expected.http === undefined ? status : got.status],
    ['message', got.message, message instanceof RegExp && message.test(got.message) ? got.message : message],
  ];
  const wanted = [['reset', got.reset, reset] as const, ...(reset === 'NO_ERROR' ? whole : [])];
  return wanted.flatMap(([what, is, should]) =>
    should === undefined || is === should ? [] : [`${what} is ${is}, not ${should}`],
  );
}

type Named = readonly [name: string, run: Run];

function differences(
  [nameA, a]: Named,
  [nameB, b]: Named,
  accepted: Accepted,
  fields: readonly (keyof Run)[],
): string[] {
  return fields.flatMap((field) => {
    const reason = accepted[field];
    const isSame = isDeepStrictEqual(a[field], b[field]);
    if (reason === undefined) {
      return isSame ? [] : [`${field}: ${nameA} ${told(a[field])}, ${nameB} ${told(b[field])}`];
    }
    return isSame ? [`${field} may differ (${reason}), and does not: ${told(a[field])}`] : [];
  });
}

function told(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, TOLD_MAX_CHARACTERS);
}

/** Leaves what the handler set, values of one name apart: one line or several are the same to gRPC. */
function withMetadataOnly(one: Run): Run {
  const only = (lines: readonly string[] = []) =>
    lines
      .filter((line) => !OF_THE_SERVER.test(line))
      .flatMap((line) => {
        const at = line.indexOf(': ');
        const values = line.slice(at + 2).split(',');
        return values.map((value) => `${line.slice(0, at)}: ${value.trim().replace(/=+$/, '')}`);
      });
  // grpc-js says "OK" where it has nothing to say.
  const message = one.status === 'OK' ? '' : one.message;
  return { ...one, message, headers: only(one.headers), trailers: only(one.trailers) };
}
