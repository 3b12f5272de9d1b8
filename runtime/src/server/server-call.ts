/**
 * One call as the server keeps it: who calls, how long it may take, and what ends it early. What not every call needs (its
 * signal, its caller's identity) is made when it is first looked at.
 */

import type { IncomingHttpHeaders } from 'node:http2';
import type { ConnectError } from '@connectrpc/connect';
import { untyped } from '../errors/as-thrown.ts';
import { fail } from '../errors/fail.ts';
import type { MethodPolicy } from '../policy.ts';
import type { CallSpan } from '../telemetry/spans.ts';
import { timers, type WheelEntry } from '../timer-wheel.ts';
import type { Call } from './call.ts';
import { type Caller, callerOf } from './caller.ts';
import type { ServedMethod } from './served-method.ts';
import type { SessionState } from './session-state.ts';

const TRACEPARENT = /^[\da-f]{2}-(?<traceId>[\da-f]{32})-[\da-f]{16}-[\da-f]{2}/;
const NO_TRACE = '0'.repeat(32);

type Listener = (reason: ConnectError) => void;

/** A call and the means to end it. */
export class ServerCall implements Call {
  readonly served: ServedMethod;
  readonly headers: IncomingHttpHeaders;
  readonly timeoutMs: number | undefined;
  /** The HTTP/2 connection that it came on. */
  readonly session: SessionState | undefined;
  readonly deadlineMs: number | undefined;
  /** The error that the call is answered with, once that is known: what its span and the metrics tell. */
  error: ConnectError | undefined;
  abortReason: ConnectError | undefined;

  /** Its span; undefined while telemetry is off. */
  span: CallSpan | undefined;

  #controller: AbortController | undefined;
  #listeners: Set<Listener> | undefined;
  #caller: Caller | undefined;
  #deadline: WheelEntry | undefined;
  #life: WheelEntry | undefined;
  #answered = false;

  /** @param timeoutMs until the deadline, in milliseconds; 0 or less has passed already. */
  constructor(
    served: ServedMethod,
    headers: IncomingHttpHeaders,
    timeoutMs: number | undefined,
    session: SessionState | undefined,
  ) {
    this.session = session;
    this.served = served;
    this.headers = headers;
    this.timeoutMs = timeoutMs;
    this.deadlineMs = timeoutMs === undefined ? undefined : Date.now() + timeoutMs;
  }

  /** Starts the clock. Not in the constructor, since a deadline of nothing ends the call at once. */
  start(): void {
    const { timeoutMs } = this;
    const { lifeMs } = this.served;
    if (timeoutMs !== undefined) {
      if (timeoutMs <= 0) {
        this.abort(fail('DEADLINE'));
        return;
      }
      this.#deadline = timers.schedule(timeoutMs, this);
    }
    if (lifeMs !== undefined) {
      this.#life = timers.schedule(lifeMs, () => this.abort(fail('STREAM_ENDED')));
    }
  }

  get rpc(): string {
    return this.served.rpc;
  }

  get policy(): MethodPolicy | undefined {
    return this.served.policy;
  }

  get isStream(): boolean {
    return this.served.isStream;
  }

  get caller(): Caller {
    this.#caller ??= callerOf(this.headers);
    return this.#caller;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.abortReason !== undefined) {
        this.#controller.abort(this.abortReason);
      }
    }
    return this.#controller.signal;
  }

  get traceId(): string | undefined {
    return this.span?.traceId ?? traceIdOf(this.headers);
  }

  get traceHeaders(): Readonly<Record<string, string>> {
    if (traceIdOf(this.headers) === undefined) {
      return {};
    }
    const { traceparent, tracestate } = this.headers;
    return { traceparent: String(traceparent), ...(typeof tracestate === 'string' ? { tracestate } : {}) };
  }

  onAbort(listener: Listener): () => void {
    if (this.abortReason !== undefined) {
      listener(this.abortReason);
      return () => {};
    }
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
    return () => void this.#listeners?.delete(listener);
  }

  /** Whether it was answered, or ended early. */
  get isOver(): boolean {
    return this.#answered || this.abortReason !== undefined;
  }

  /** Ends the call early with an error; no effect once it is answered or has ended. */
  abort(reason: ConnectError): void {
    if (this.isOver) {
      return;
    }
    const told = this.served.isTyped ? reason : untyped(reason);
    this.abortReason = told;
    this.stopClock();
    const listeners = this.#listeners;
    this.#listeners = undefined;
    this.#controller?.abort(told);
    for (const listener of listeners ?? []) {
      listener(told);
    }
    this.ended(told);
  }

  /** Marks the call as answered: its signal no longer aborts. */
  answered(): void {
    this.#answered = true;
    this.#listeners = undefined;
  }

  /** Called by the timer wheel when the deadline has passed. */
  onExpire(): void {
    this.abort(fail('DEADLINE'));
  }

  /** Called when nothing is left to be timed. */
  stopClock(): void {
    this.#deadline?.cancel();
    this.#life?.cancel();
  }

  /** What the lane that answers the call does when it ends early. */
  protected ended(_reason: ConnectError): void {}
}

function traceIdOf(headers: IncomingHttpHeaders): string | undefined {
  const header = headers.traceparent;
  const traceId = typeof header === 'string' ? TRACEPARENT.exec(header)?.groups?.traceId : undefined;
  return traceId === NO_TRACE ? undefined : traceId;
}
