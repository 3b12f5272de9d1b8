/**
 * Serves implementations of services: one port that speaks gRPC, gRPC-Web and Connect, holds what the contract promises and stops
 * without dropping a call.
 */

import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { createConnectRouter, type Interceptor } from '@connectrpc/connect';
import { type Address, formatAddress, parseAddress } from '../address.ts';
import { asThrown } from '../errors/as-thrown.ts';
import { outgoingError } from '../errors/outgoing.ts';
import { Health, HealthService } from '../health.ts';
import type { PolicyTable } from '../policy.ts';
import { reflection } from '../reflection.ts';
import { jsonRegistry } from '../wire/json-registry.ts';
import { type AcceptOptions, Acceptor, type LaneCounts } from './accept.ts';
import { guard } from './adapter/guard.ts';
import { COMPRESSIONS } from './compressions.ts';
import { DEFAULT_DRAIN, type DrainOptions, drain } from './drain.ts';
import { type FastDesc, fastMethod } from './fast/fast-method.ts';
import { checkImplementations, type Implementation, implement } from './implement.ts';
import { type Limits, limitsOf } from './limits.ts';
import { listen } from './listen.ts';
import { createPort } from './port.ts';
import { type ServedMethod, servedMethod } from './served-method.ts';
import type { ServerTls } from './tls.ts';
import { compileRules, validate } from './validate.ts';

/** What to serve, where, and how. */
export type ServeOptions = {
  /** Where to listen: `unix:run/inventory.app.sock`, `127.0.0.1:9000`, or port 0 for any free one. */
  readonly listen: Address | string;
  /** The services, each paired with its implementation by `implement`. */
  readonly services: readonly Implementation[];
  /** This workload's name. Policy must agree that the services belong to it. Only with `policy`. */
  readonly workload?: string;
  /**
   * The policy table, generated from the contracts: every RPC that is served must be in it, and its deadlines and stream limits
   * hold. Absent: `limits` alone hold.
   */
  readonly policy?: PolicyTable;
  /**
   * What callers are told of what a handler throws. `catalogue`: every error has a reason of the catalogue, and an INTERNAL,
   * UNKNOWN or DATA_LOSS tells nothing of what happened inside. `as-thrown`: a `ConnectError` goes out as it is. In either case
   * whatever else is thrown is INTERNAL without its text. Default: `catalogue` with `policy`, `as-thrown` without.
   */
  readonly errors?: 'catalogue' | 'as-thrown';
  /** Speak TLS. Absent: cleartext, for a port that only a sidecar reaches. */
  readonly tls?: ServerTls;
  /** Speak HTTP/1.1 on the same port too, for callers without HTTP/2 such as plain `curl`. Default: HTTP/2 alone. */
  readonly http1?: boolean;
  /** Run inside the runtime's own: after validation, before the handler. The first is outermost. */
  readonly interceptors?: readonly Interceptor[];
  readonly limits?: Partial<Limits>;
  readonly drain?: Partial<DrainOptions>;
  /** Services that reflection shows. Default: those that are served. */
  readonly reflection?: readonly DescService[];
  /** Services that health answers for beside those that are served: for the workload that answers in the edge's name. */
  readonly health?: readonly DescService[];
  /** Whether unary gRPC and Connect calls may use the fast lane. Default true; false is for tests that compare the lanes. */
  readonly fastLane?: boolean;
};

/** A server that listens. */
export type RunningServer = {
  /** Where it listens, as `parseAddress` reads it, the port filled in. */
  readonly address: string;
  /** Whether it wants calls, by service; `drain` tells it. */
  readonly health: Health;
  /** How many calls each lane has answered so far. */
  readonly lanes: LaneCounts;
  /**
   * Stops without failing a call: NOT_SERVING, a moment's notice, GOAWAY; streams end with STREAM_ENDED, other calls may
   * finish within the budget, and get SERVER_STOPPING after it. Resolves when all connections are closed.
   */
  drain(): Promise<void>;
  /** Stops at once; open calls fail. */
  close(): Promise<void>;
};

/**
 * Checks the services, listens, and answers. Health and reflection are served beside them.
 *
 * @throws Error that says what is wrong and what to do: options that exclude each other, a service twice, a method missing, an RPC
 *   without policy, a rule that does not compile, a certificate that cannot be used, an address in use.
 */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const limits = limitsOf(options.limits);
  checkOptions(options);
  checkImplementations(options.services, options);
  const served = options.services.map(({ service }) => service);
  const health = new Health([...served, ...(options.health ?? [])].map((service) => service.typeName));
  const builtIn = [
    implement(HealthService, health.implementation()),
    ...reflection([...(options.reflection ?? served), HealthService]),
  ];

  const isTyped = (options.errors ?? (options.policy === undefined ? 'as-thrown' : 'catalogue')) === 'catalogue';
  const errorOf = isTyped ? outgoingError : asThrown;
  const acceptor = new Acceptor({
    methods: methodsOf([...options.services, ...builtIn], { ...options, limits, errorOf, isTyped }),
    limits,
    errorOf,
    isTyped,
    useFastLane: options.fastLane ?? true,
  });
  const port = createPort({
    limits,
    tls: options.tls,
    http1: options.http1 ?? false,
    onHttp2: (request) => acceptor.accept(request),
    hasOpenCalls: (session) => acceptor.hasOpenCalls(session),
    onHttp1: (request, response) => acceptor.acceptHttp1(request, response),
  });
  const address = typeof options.listen === 'string' ? parseAddress(options.listen) : options.listen;
  const bound = await listen(port.server, address);

  let drained: Promise<void> | undefined;
  return {
    address: formatAddress(bound),
    health,
    get lanes() {
      return acceptor.lanes;
    },
    drain() {
      drained ??= drain({ port, acceptor, health }, { ...DEFAULT_DRAIN, ...options.drain });
      return drained;
    },
    async close() {
      const closed = new Promise<void>((resolve) => port.server.once('close', resolve));
      const isOpen = port.server.listening || drained !== undefined;
      port.cut();
      await (isOpen ? closed : undefined);
    },
  };
}

/** The RPCs by path. */
function methodsOf(
  implementations: readonly Implementation[],
  options: Pick<ServeOptions, 'policy' | 'interceptors'> & { readonly limits: Limits } & Pick<
      AcceptOptions,
      'errorOf' | 'isTyped'
    >,
): ReadonlyMap<string, ServedMethod> {
  const { limits, policy = {}, interceptors = [] } = options;
  const jsonOptions = { registry: jsonRegistry(implementations.map(({ service }) => service)) };
  const router = createConnectRouter({
    jsonOptions,
    interceptors: [guard(options.errorOf), validate, ...interceptors],
    readMaxBytes: limits.readMaxBytes,
    writeMaxBytes: limits.writeMaxBytes,
    compressMinBytes: limits.compressMinBytes,
    acceptCompression: [...COMPRESSIONS],
  });
  const handlers = new Map<unknown, ReturnType<Implementation['fastHandler']>>();
  for (const implementation of implementations) {
    compileRules(implementation.service);
    implementation.register(router);
    for (const method of implementation.service.methods) {
      handlers.set(method, implementation.fastHandler(method));
    }
  }
  return new Map(
    router.handlers.map((handler) => {
      const { method } = handler;
      const own = handlers.get(method);
      const fast =
        own && isForFastLane(method, interceptors)
          ? fastMethod(method, own, { interceptors, limits, jsonOptions })
          : undefined;
      return [handler.requestPath, servedMethod(handler, fast, { policy, limits, isTyped: options.isTyped })];
    }),
  );
}

/** Streams go by the fast lane where no interceptor wants to see their messages. */
function isForFastLane(method: DescMethod, interceptors: readonly Interceptor[]): method is FastDesc {
  return method.methodKind === 'unary' || (method.methodKind === 'server_streaming' && interceptors.length === 0);
}

function checkOptions({ workload, policy, errors }: ServeOptions): void {
  if (workload !== undefined && policy === undefined) {
    throw new Error(
      'workload says whose RPCs are served, and policy, which knows that, is missing: give both or neither',
    );
  }
  if (policy !== undefined && workload === undefined) {
    throw new Error('policy says which workload serves each RPC, and workload is missing: give both or neither');
  }
  if (errors !== undefined && errors !== 'catalogue' && errors !== 'as-thrown') {
    throw new Error(`errors is "${String(errors)}": choose "catalogue" or "as-thrown"`);
  }
}
