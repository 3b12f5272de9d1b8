/**
 * Clients of other workloads: plain Connect clients that speak to the sidecar, or to the callee itself, and take deadline, signal and
 * trace from the call that is being answered. They never retry what may have been begun: that is the sidecar's work.
 */

import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { type Client, Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import type { PolicyTable } from '../policy.ts';
import { type Call, currentCall } from '../server/call.ts';
import { type CallSpan, clientSpan } from '../telemetry/spans.ts';
import { jsonRegistry } from '../wire/json-registry.ts';
import { adapterTransport } from './adapter/transport.ts';
import { type Budget, budgetMs } from './budget.ts';
import type { CallerClient, CallerOption, WorkloadIn } from './caller-client.ts';
import { poolTo } from './egress.ts';
import { FastLane } from './fast/fast-lane.ts';
import { incomingError } from './incoming.ts';
import { cancelOnLeave } from './leaving.ts';
import { type ClientOptions, type ConnectOptions, clientOptions } from './options.ts';
import { ownHeaders } from './own-headers.ts';

export type { ConnectOptions } from './options.ts';

/**
 * Makes a client of a service.
 *
 * With policy its calls fail with typed errors only (`reasonOf` tells which): the callee's own, or UNREACHABLE, DEADLINE, OVERLOADED,
 * CANCELLED, INTERNAL.
 *
 * @throws Error for options that exclude each other or cannot be used, and when policy knows no RPC of the service and no workload is
 *   given.
 */
export function connect<Desc extends DescService, Table extends PolicyTable, Caller extends WorkloadIn<Table>>(
  service: Desc,
  options: ConnectOptions & CallerOption<Caller> & { readonly policy: Table },
): CallerClient<Desc, Table, Caller>;
export function connect<Desc extends DescService>(
  service: Desc,
  options: ConnectOptions & { readonly caller?: never },
): Client<Desc>;
export function connect<Desc extends DescService>(
  service: Desc,
  options: ConnectOptions & Partial<CallerOption>,
): Client<Desc> {
  const resolved = clientOptions(service, options);
  return cancelOnLeave(service, createClient(service, transportOf(service, resolved)));
}

/** Puts the lanes together, and has every call belong to the call that is being answered. */
function transportOf(service: DescService, options: ClientOptions): Transport {
  const { egress, tls, sessions, authority, httpVersion, isTyped } = options;
  const jsonOptions = { registry: jsonRegistry([service]) };
  const pool = httpVersion === '2' ? poolTo(egress, tls, sessions) : undefined;
  const adapter = adapterTransport(options, pool, jsonOptions);
  const errorOf = (error: ConnectError, isCancelled: boolean) =>
    isTyped ? incomingError(authority, error, isCancelled) : error;
  const fast =
    pool !== undefined && options.protocol !== 'grpc-web' && options.useFastLane
      ? new FastLane(options, pool, jsonOptions, errorOf)
      : undefined;
  /** @throws ConnectError for headers that are none. */
  const ownOf = (header: HeadersGiven) => {
    try {
      return ownHeaders(header);
    } catch (error) {
      throw errorOf(ConnectError.from(error, Code.Internal), false);
    }
  };
  const isGot = (method: DescMethod) =>
    options.useHttpGet && method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;

  return {
    unary(method, signal, askedMs, given, input, contextValues) {
      const parent = currentCall();
      const header = ownOf(given);
      const rpc = `${method.parent.typeName}/${method.name}`;
      const timeoutMs = budgetMs(parent, options.policy[rpc], askedMs ?? options.defaultTimeoutMs);
      const traceHeaders = parent === undefined ? [] : traceHeadersOf(parent);
      const span = clientSpan(rpc, authority, { set: (name, value) => setHeader(traceHeaders, name, value) });
      if (fast !== undefined && !isGot(method)) {
        options.onLane?.('fast');
        const asked = { method, input, header, traceHeaders, contextValues, timeoutMs, signal, parent, span };
        // Connect's types say of each RPC what the lane knows of all.
        return fast.unary(asked) as ReturnType<Transport['unary']> as never;
      }
      options.onLane?.('adapter');
      const budget = adapterBudget(parent, signal, timeoutMs);
      const headers = withTrace(header, traceHeaders);
      return watched(
        adapter.unary(method, budget.signal, budget.timeoutMs, headers, input, contextValues),
        (error) => errorOf(error, budget.signal?.aborted ?? false),
        span,
      );
    },
    async stream(method, signal, askedMs, given, input, contextValues) {
      const parent = currentCall();
      const header = ownOf(given);
      const rpc = `${method.parent.typeName}/${method.name}`;
      const budget = adapterBudget(
        parent,
        signal,
        budgetMs(parent, options.policy[rpc], askedMs ?? options.defaultTimeoutMs),
      );
      const traceHeaders = parent === undefined ? [] : traceHeadersOf(parent);
      const span = clientSpan(rpc, authority, { set: (name, value) => setHeader(traceHeaders, name, value) });
      options.onLane?.('adapter');
      const told = (error: ConnectError) => errorOf(error, budget.signal?.aborted ?? false);
      try {
        const headers = withTrace(header, traceHeaders);
        const response = await adapter.stream(method, budget.signal, budget.timeoutMs, headers, input, contextValues);
        return { ...response, message: readAll(response.message, told, span) };
      } catch (error) {
        const failure = told(ConnectError.from(error));
        span?.end(failure, 'adapter');
        throw failure;
      }
    },
  };
}

/** What connect-node takes: one signal, and no timeout rather than one of nothing. */
function adapterBudget(
  parent: Call | undefined,
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
): Budget {
  const signals = [signal, parent?.signal].filter((one) => one !== undefined);
  return { timeoutMs, signal: signals.length > 1 ? AbortSignal.any(signals) : signals[0] };
}

async function watched<T>(
  response: Promise<T>,
  told: (error: ConnectError) => ConnectError,
  span: CallSpan | undefined,
): Promise<T> {
  try {
    const answer = await response;
    span?.end(undefined, 'adapter');
    return answer;
  } catch (error) {
    const failure = told(ConnectError.from(error));
    span?.end(failure, 'adapter');
    throw failure;
  }
}

async function* readAll<T>(
  messages: AsyncIterable<T>,
  told: (error: ConnectError) => ConnectError,
  span: CallSpan | undefined,
): AsyncIterable<T> {
  let failure: ConnectError | undefined;
  try {
    for await (const message of messages) {
      yield message;
    }
  } catch (error) {
    failure = told(ConnectError.from(error));
    throw failure;
  } finally {
    span?.end(failure, 'adapter');
  }
}

type HeadersGiven = Parameters<Transport['unary']>[3];

/** While telemetry is off nothing starts spans, and the trace of the caller is passed on as it came. */
function traceHeadersOf({ traceHeaders }: Call): string[] {
  return Object.entries(traceHeaders).flat();
}

function setHeader(headers: string[], name: string, value: string): void {
  const at = headers.indexOf(name);
  if (at < 0) {
    headers.push(name, value);
  } else {
    headers[at + 1] = value;
  }
}

function withTrace(header: Headers | undefined, traceHeaders: readonly string[]): Headers {
  const headers = new Headers(header);
  for (let index = 0; index < traceHeaders.length; index += 2) {
    headers.set(traceHeaders[index] ?? '', traceHeaders[index + 1] ?? '');
  }
  return headers;
}
