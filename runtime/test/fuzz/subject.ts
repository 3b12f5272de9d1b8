/**
 * What is attacked: a server whose handler gives back what it gets, and the question that any caller must get answered whatever
 * others do; and how runs are repeated.
 */

import { randomInt } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { encodeEnvelope } from '@connectrpc/connect/protocol';
import { implement } from '../../src/server/implement.ts';
import { type RunningServer, type ServeOptions, serve } from '../../src/server/serve.ts';
import { AnswerSchema, LanesService, lanesPolicy, QuestionSchema } from '../lanes/contract.ts';
import { FrameCaller, type Header } from './frames.ts';

/** How long an answer may take before it counts as none: far beyond what a busy machine needs. */
const HANG_MS = 20_000;
/** Metadata by which a caller asks for an error of this text, percent-encoded. */
export const FAIL_WITH = 'x-fail-with';
/** Metadata that the handler gives back, as it is, as header and as trailer. */
export const GIVE_BACK = 'x-give-back';

/** How often each property is tried, unless WEFT_FUZZ_RUNS says otherwise. */
export const RUNS = Number(process.env.WEFT_FUZZ_RUNS ?? 60);
/**
 * The same in every run of the tests, which are to tell whether a change broke something; another each time where more is tried, to
 * find what nobody thought of. WEFT_FUZZ_SEED repeats a run that failed.
 */
const SEED = Number(process.env.WEFT_FUZZ_SEED ?? (process.env.WEFT_FUZZ_RUNS === undefined ? 1 : randomInt(2 ** 31)));

/** How to check a property. A failure tells its seed; WEFT_FUZZ_RUNS and WEFT_FUZZ_SEED set what is tried. */
export function tries(share = 1): { readonly numRuns: number; readonly seed: number } {
  return { numRuns: Math.max(1, Math.ceil(RUNS * share)), seed: SEED };
}

export const ASK = '/weft.test.v1.LanesService/Ask';
export const GRPC_HEADERS: readonly Header[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', 'localhost'],
  [':path', ASK],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
];

/** The same headers, some of them other, some more; undefined takes one away. */
export function withHeaders(
  more: Readonly<Record<string, string | undefined>>,
  base: readonly Header[] = GRPC_HEADERS,
): readonly Header[] {
  const kept = base.filter(([name]) => !Object.hasOwn(more, name));
  const added = Object.entries(more).flatMap(([name, value]): Header[] => (value === undefined ? [] : [[name, value]]));
  // Those of HTTP/2 itself come first, or they are malformed.
  return [...kept, ...added].sort(([a], [b]) => Number(b.startsWith(':')) - Number(a.startsWith(':')));
}

export const CONNECT_HEADERS = withHeaders({ 'content-type': 'application/proto', te: undefined });
export const JSON_HEADERS = withHeaders({ 'content-type': 'application/json', te: undefined });

/** Serves what is attacked. */
export function serveTarget(options: Partial<ServeOptions> = {}): Promise<RunningServer> {
  const ask = implement(LanesService, {
    ask: answer,
    look: answer,
    watch: async function* (question, context) {
      yield answer(question, context) as object;
    },
  });
  return serve({ listen: '127.0.0.1:0', workload: 'lanes', policy: lanesPolicy, services: [ask], ...options });
}

type Handler = NonNullable<Parameters<typeof implement<typeof LanesService>>[1]['ask']>;

const answer: Handler = ({ text, count, data }, { requestHeader, responseHeader, responseTrailer }) => {
  const failWith = requestHeader.get(FAIL_WITH);
  if (failWith !== null) {
    throw new ConnectError(decodeURIComponent(failWith), Code.NotFound);
  }
  for (const name of [GIVE_BACK, `${GIVE_BACK}-bin`]) {
    const value = requestHeader.get(name);
    if (value !== null) {
      responseHeader.set(name, value);
      responseTrailer.set(name, value);
    }
  }
  return { text, count, data };
};

/** The envelope of a question. */
export function question(text: string): Uint8Array {
  return encodeEnvelope(0, toBinary(QuestionSchema, create(QuestionSchema, { text })));
}

/** Fails, where a hang would be, with what it waited for. */
export async function soon<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came of ${what}`)), HANG_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

let asked = 0;

/** Asks as anybody would, on a connection of its own, and fails unless the answer is its own. */
export async function askPolitely(address: string): Promise<void> {
  asked += 1;
  const text = `polite ${asked}`;
  const caller = await FrameCaller.open(address);
  try {
    const { body, trailers, end } = await soon(caller.call(GRPC_HEADERS, [question(text)]), 'a polite question');
    const status = trailers?.find(([name]) => name === 'grpc-status')?.[1];
    const got = body.length > 5 ? fromBinary(AnswerSchema, body.subarray(5)).text : undefined;
    if (end !== 'ended' || status !== '0' || got !== text) {
      throw new Error(`a polite question got ${end}, status ${status}, "${got}"`);
    }
  } finally {
    caller.close();
  }
}
