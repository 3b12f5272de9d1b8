/**
 * Clients of other workloads: plain Connect clients that speak gRPC to the sidecar, and take deadline, signal and trace from
 * the call that is being answered. They never retry: that is the sidecar's work.
 */

import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { type Client, type ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { type Address, parseAddress } from '../address.ts';
import type { PolicyTable } from '../policy.ts';
import { type Call, currentCall } from '../server/call.ts';
import { DEFAULT_LIMITS } from '../server/limits.ts';
import { type CallSpan, clientSpan } from '../telemetry/spans.ts';
import { type Budget, budgetOf } from './budget.ts';
import { sessionsTo } from './egress.ts';
import { incomingError } from './incoming.ts';
import { cancelOnLeave } from './leaving.ts';

/** Where and by what rules to call. */
export type ConnectOptions = {
  /** The sidecar's outbound listener, `WEFT_EGRESS`; or the callee itself, where there is no sidecar. */
  readonly egress: Address | string;
  /** The policy table: default deadlines, and the workload that implements the service. */
  readonly policy: PolicyTable;
  /** The callee, when it is not the workload that policy names. */
  readonly workload?: string;
};

/**
 * Makes a client of a service.
 *
 * Its calls fail with typed errors only (`reasonOf` tells which): the callee's own, or UNREACHABLE, DEADLINE, OVERLOADED,
 * CANCELLED, INTERNAL.
 *
 * @throws Error when policy knows no RPC of the service and no workload is given.
 */
export function connect<Desc extends DescService>(service: Desc, options: ConnectOptions): Client<Desc> {
  const workload = options.workload ?? workloadOf(service, options.policy);
  const egress = typeof options.egress === 'string' ? parseAddress(options.egress) : options.egress;
  const grpc = createGrpcTransport({
    baseUrl: `http://${workload}`,
    sessionManager: sessionsTo(egress, workload),
    readMaxBytes: DEFAULT_LIMITS.readMaxBytes,
    writeMaxBytes: DEFAULT_LIMITS.writeMaxBytes,
    acceptCompression: [],
  });
  return cancelOnLeave(service, createClient(service, withCall(grpc, workload, options.policy)));
}

type HeadersGiven = ConstructorParameters<typeof Headers>[0];

/** Decorates a transport so that its calls belong to the call that is being answered. */
function withCall(inner: Transport, workload: string, policy: PolicyTable): Transport {
  const prepare = (method: DescMethod, asked: Budget, header: HeadersGiven) => {
    const current = currentCall();
    const rpc = `${method.parent.typeName}/${method.name}`;
    const budget = budgetOf(current, policy[rpc], asked);
    const headers = withTrace(header, current);
    return { ...budget, headers, span: clientSpan(rpc, workload, headers) };
  };
  return {
    async unary(method, askedSignal, askedMs, header, input, values) {
      const asked = { signal: askedSignal, timeoutMs: askedMs };
      const { signal, timeoutMs, headers, span } = prepare(method, asked, header);
      try {
        const response = await inner.unary(method, signal, timeoutMs, headers, input, values);
        span?.end(undefined);
        return response;
      } catch (error) {
        const typed = incomingError(workload, error, signal);
        span?.end(typed);
        throw typed;
      }
    },
    async stream(method, askedSignal, askedMs, header, input, values) {
      const asked = { signal: askedSignal, timeoutMs: askedMs };
      const { signal, timeoutMs, headers, span } = prepare(method, asked, header);
      try {
        const response = await inner.stream(method, signal, timeoutMs, headers, input, values);
        return { ...response, message: readAll(response.message, { workload, signal, span }) };
      } catch (error) {
        const typed = incomingError(workload, error, signal);
        span?.end(typed);
        throw typed;
      }
    },
  };
}

type Reading = { readonly workload: string; readonly signal: AbortSignal | undefined; readonly span: CallSpan | undefined };

async function* readAll<T>(messages: AsyncIterable<T>, { workload, signal, span }: Reading): AsyncIterable<T> {
  let typed: ConnectError | undefined;
  try {
    for await (const message of messages) {
      yield message;
    }
  } catch (error) {
    typed = incomingError(workload, error, signal);
    throw typed;
  } finally {
    span?.end(typed);
  }
}

/** While telemetry is off nothing starts spans, and the trace of the caller is passed on as it came. */
function withTrace(header: HeadersGiven, current: Call | undefined): Headers {
  const headers = new Headers(header);
  for (const [name, value] of Object.entries(current?.traceHeaders ?? {})) {
    headers.set(name, value);
  }
  return headers;
}

function workloadOf(service: DescService, policy: PolicyTable): string {
  for (const method of service.methods) {
    const promised = policy[`${service.typeName}/${method.name}`];
    if (promised !== undefined) {
      return promised.workload;
    }
  }
  throw new Error(`policy knows no RPC of ${service.typeName}: run npm run generate, or name the workload`);
}
