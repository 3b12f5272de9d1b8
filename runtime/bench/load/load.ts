/**
 * The load: one process that drives every server with the same bytes. It looks at the statuses and the length of each
 * answer, compares a round of answers whole before anything is measured, and gives up at the first that is wrong: a benchmark
 * of failures is worth nothing.
 */

import { seeded } from '../orders.ts';
import { quantile } from '../statistics.ts';
import { type Call, type PreparedCall, prepare } from './calls.ts';
import { type Answer, Connection } from './connection.ts';
import { requestBlocks } from './hpack.ts';

/** What is called, where, and over how many connections. */
export type Target = { readonly address: string; readonly call: Call; readonly connections: number };
/** A closed loop: each of the callers calls again as soon as it is answered. */
export type Drive = Target & {
  /** Calls at once, over all connections. */
  readonly callers: number;
  /** Ends after this time, in milliseconds, or this number of calls, whichever comes first. */
  readonly ms: number;
  readonly calls?: number;
};
/** An open loop: calls come at a rate, at random intervals, whether others are answered or not. */
export type Flow = Target & { readonly callsPerSecond: number; readonly ms: number };
export type Latency = {
  readonly calls: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
};

/** Values that differ from call to call, which a client's compression cannot profit from. */
const CHANGING = new Set(['grpc-timeout', 'connect-timeout-ms', 'traceparent']);
/** Calls of an open loop leave together at ticks of a timer: to wait for each awake would take a core that servers need. */
const TICK_MS = 1;
/** A timer is late by up to this much without anybody being in its way; only what goes beyond counts as waiting. */
const TIMER_MS = 2 * TICK_MS;
const ANSWER_MAX_MS = 20_000;

const open = new Map<string, Connection[]>();
const prepared = new Map<string, PreparedCall>();

const commands = {
  /** Sends each message once and compares the answers; how many calls that were. */
  async verify({ address, call }: Pick<Target, 'address' | 'call'>): Promise<number> {
    const ready = preparedFor(call, address);
    const [connection] = await connectionsTo({ address, call, connections: 1 });
    for (const [index, body] of ready.bodies.entries()) {
      const answer = await new Promise<Answer | undefined>((resolve) => {
        connection === undefined ? resolve(undefined) : connection.send(body, true, resolve);
      });
      const problem = answer === undefined ? 'no connection' : problemOf(answer, { call, ready, index });
      if (problem !== undefined || !ready.isRight(index, Buffer.concat(answer?.chunks ?? []))) {
        throw new Error(`a wrong answer to ${call.rpc}, message ${index}: ${problem ?? 'another message'}`);
      }
    }
    return ready.bodies.length;
  },

  async drive(asked: Drive): Promise<{ calls: number; ms: number }> {
    const ready = preparedFor(asked.call, asked.address);
    const connections = await connectionsTo({ ...asked, connections: Math.min(asked.connections, asked.callers) });
    const startedMs = performance.now();
    const endMs = startedMs + asked.ms;
    const most = asked.calls ?? Number.POSITIVE_INFINITY;
    let begun = 0;
    let calls = 0;
    await Promise.all(
      Array.from(
        { length: asked.callers },
        (_, caller) =>
          new Promise<void>((resolve, reject) => {
            const connection = at(connections, caller);
            const callAgain = (): void => {
              if (begun >= most || performance.now() >= endMs) {
                resolve();
                return;
              }
              const index = begun % ready.bodies.length;
              begun += 1;
              connection.send(at(ready.bodies, index), false, (answer) => {
                const problem = problemOf(answer, { call: asked.call, ready, index });
                if (problem === undefined) {
                  calls += 1;
                  callAgain();
                } else {
                  reject(new Error(`${asked.call.rpc}: ${problem}`));
                }
              });
            };
            callAgain();
          }),
      ),
    );
    return { calls, ms: performance.now() - startedMs };
  },

  /** Times run from when a call was due, so that one that waits behind others is counted as its caller would. */
  async flow(asked: Flow): Promise<Latency> {
    const ready = preparedFor(asked.call, asked.address);
    const connections = await connectionsTo(asked);
    const random = seeded(asked.callsPerSecond);
    const tookMs: number[] = [];
    await new Promise<void>((resolve, reject) => {
      const endMs = performance.now() + asked.ms;
      let dueMs = performance.now();
      let begun = 0;
      const late = setTimeout(() => reject(new Error('answers are missing')), asked.ms + ANSWER_MAX_MS);
      const send = (sentDueMs: number): void => {
        const index = begun % ready.bodies.length;
        const connection = at(connections, begun);
        begun += 1;
        connection.send(at(ready.bodies, index), false, (answer) => {
          tookMs.push(performance.now() - sentDueMs);
          const problem = problemOf(answer, { call: asked.call, ready, index });
          if (problem !== undefined) {
            reject(new Error(`${asked.call.rpc}: ${problem}`));
          } else if (dueMs >= endMs && tookMs.length === begun) {
            clearTimeout(late);
            resolve();
          }
        });
      };
      const tick = (): void => {
        const nowMs = performance.now();
        while (dueMs <= nowMs && dueMs < endMs) {
          const sentDueMs = nowMs - dueMs <= TIMER_MS ? nowMs : dueMs;
          dueMs += (-Math.log(1 - random()) / asked.callsPerSecond) * 1_000;
          send(sentDueMs);
        }
        if (dueMs < endMs) {
          setTimeout(tick, TICK_MS);
        }
      };
      tick();
    });
    const [p50Ms, p99Ms, maxMs] = [0.5, 0.99, 1].map((q) => quantile(tookMs, q));
    return { calls: tookMs.length, p50Ms: p50Ms ?? 0, p99Ms: p99Ms ?? 0, maxMs: maxMs ?? 0 };
  },

  /** Opens connections, makes one call on each, and leaves them idle. */
  async idle(target: Target): Promise<void> {
    const ready = preparedFor(target.call, target.address);
    for (const connection of await connectionsTo(target)) {
      const answer = await new Promise<Answer>((resolve) => connection.send(at(ready.bodies, 0), false, resolve));
      const problem = problemOf(answer, { call: target.call, ready, index: 0 });
      if (problem !== undefined) {
        throw new Error(problem);
      }
    }
  },

  /** Makes calls that nobody answers, and leaves them open. */
  async hold({ calls, ...target }: Target & { readonly calls: number }): Promise<void> {
    const ready = preparedFor(target.call, target.address);
    const connections = await connectionsTo(target);
    for (let index = 0; index < calls; index += 1) {
      at(connections, index).send(at(ready.bodies, index), false, () => {});
    }
  },
};

export type LoadCommands = typeof commands;

export async function start(): Promise<LoadCommands> {
  return commands;
}

type Asked = { readonly call: Call; readonly ready: PreparedCall; readonly index: number };

/** What is wrong with an answer. */
function problemOf(answer: Answer, { call, ready, index }: Asked): string | undefined {
  const status = call.protocol === 'grpc' ? String(call.status ?? 0) : '';
  const bytes = ready.answerBytes[index];
  if (answer.failure !== undefined) {
    return answer.failure;
  }
  if (answer.httpStatus === '200' && answer.grpcStatus === status && answer.bytes === bytes) {
    return undefined;
  }
  const got = `HTTP ${answer.httpStatus}, gRPC status "${answer.grpcStatus}", ${answer.bytes} bytes`;
  return `answered with ${got} instead of HTTP 200, "${status}", ${bytes} bytes`;
}

function preparedFor(call: Call, authority: string): PreparedCall {
  const key = JSON.stringify([call, authority]);
  const ready = prepared.get(key) ?? prepare(call, authority);
  prepared.set(key, ready);
  return ready;
}

/** Each kind of call has connections of its own, whose tables of headers hold that call's. */
async function connectionsTo({ address, call, connections }: Target): Promise<Connection[]> {
  const key = JSON.stringify([call, address]);
  const opened = open.get(key) ?? [];
  open.set(key, opened);
  const blocks = requestBlocks(preparedFor(call, address).headers, CHANGING);
  while (opened.length < connections) {
    opened.push(await Connection.open(address, blocks));
  }
  return opened.slice(0, connections);
}

/** The value at a position, or that many beyond the end, from the beginning again. */
function at<T>(values: readonly T[], position: number): T {
  const value = values[position % values.length];
  if (value === undefined) {
    throw new Error('nothing to choose from');
  }
  return value;
}
