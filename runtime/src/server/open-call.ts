/**
 * Opens the call of a request: who calls, how long it may take, and what ends it early.
 */

import type { IncomingHttpHeaders } from 'node:http2';
import type { DescMethod } from '@bufbuild/protobuf';
import type { ConnectError } from '@connectrpc/connect';
import { fail } from '../errors/fail.ts';
import type { PolicyTable } from '../policy.ts';
import type { Call } from './call.ts';
import { callerOf } from './caller.ts';
import { clampTimeout } from './deadline.ts';
import { type Limits, streamLifeMs } from './limits.ts';

/** A call and the means to end it. */
export type OpenCall = {
  readonly call: Call;
  /** Whether the caller gets more than one answer, so that only the server can end the call. */
  readonly isStream: boolean;
  /** Ends the call early with an error; no effect once it is closed. */
  abort(reason: ConnectError): void;
  /** Marks the call as answered: its signal no longer aborts. */
  close(): void;
};

const TRACEPARENT = /^[\da-f]{2}-(?<traceId>[\da-f]{32})-[\da-f]{16}-[\da-f]{2}/;
const NO_TRACE = '0'.repeat(32);

/**
 * Opens the call. The timeout in `headers` is rewritten to what holds.
 *
 * @param options `traceId`: of the call's span; undefined while telemetry is off, when the caller's is taken.
 */
export function openCall(
  method: DescMethod,
  headers: IncomingHttpHeaders,
  options: { readonly policy: PolicyTable; readonly limits: Limits; readonly traceId: string | undefined },
): OpenCall {
  const { policy, limits } = options;
  const rpc = `${method.parent.typeName}/${method.name}`;
  const promised = policy[rpc];
  const isStream = method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming';
  const isUnary = method.methodKind === 'unary';

  const lifeMs =
    promised?.stream === undefined ? limits.defaultStreamLifeMs : streamLifeMs(promised.stream.maxDurationMs);
  const capMs = isUnary ? (promised?.deadlineMs ?? limits.defaultDeadlineMs) : isStream ? undefined : lifeMs;
  const timeoutMs = clampTimeout(headers, capMs);

  const controller = new AbortController();
  const timers: NodeJS.Timeout[] = [];
  const abort = (reason: ConnectError) => {
    timers.forEach(clearTimeout);
    controller.abort(reason);
  };
  const abortAfter = (ms: number, reason: () => ConnectError) => {
    if (ms <= 0) {
      abort(reason());
    } else {
      timers.push(setTimeout(() => abort(reason()), ms));
    }
  };
  if (timeoutMs !== undefined) {
    abortAfter(timeoutMs, () => fail('DEADLINE'));
  }
  if (isStream && !controller.signal.aborted) {
    abortAfter(lifeMs, () => fail('STREAM_ENDED'));
  }

  let closed = false;
  const call: Call = {
    rpc,
    policy: promised,
    deadlineMs: timeoutMs === undefined ? undefined : Date.now() + timeoutMs,
    signal: controller.signal,
    caller: callerOf(headers),
    traceId: options.traceId ?? traceIdOf(headers),
    traceHeaders: traceHeadersOf(headers),
    outcome: { error: undefined },
  };
  return {
    call,
    isStream,
    abort: (reason) => {
      if (!closed) {
        abort(reason);
      }
    },
    close: () => {
      closed = true;
      timers.forEach(clearTimeout);
    },
  };
}

function traceIdOf(headers: IncomingHttpHeaders): string | undefined {
  const header = headers.traceparent;
  const traceId = typeof header === 'string' ? TRACEPARENT.exec(header)?.groups?.traceId : undefined;
  return traceId === NO_TRACE ? undefined : traceId;
}

function traceHeadersOf(headers: IncomingHttpHeaders): Readonly<Record<string, string>> {
  if (traceIdOf(headers) === undefined) {
    return {};
  }
  const { traceparent, tracestate } = headers;
  return { traceparent: String(traceparent), ...(typeof tracestate === 'string' ? { tracestate } : {}) };
}
