/**
 * Serves implementations of services: one HTTP/2 port without TLS, behind the sidecar, that speaks gRPC, gRPC-Web and
 * Connect, holds what the contract promises and stops without dropping a call.
 */

import { createServer, type ServerHttp2Session } from 'node:http2';
import type { DescService } from '@bufbuild/protobuf';
import { createConnectRouter, type Interceptor } from '@connectrpc/connect';
import type { UniversalHandler } from '@connectrpc/connect/protocol';
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node';
import { type Address, formatAddress, parseAddress } from '../address.ts';
import { Health, HealthService } from '../health.ts';
import type { PolicyTable } from '../policy.ts';
import { reflection } from '../reflection.ts';
import { Acceptor } from './accept.ts';
import { closeNow, DEFAULT_DRAIN, type DrainOptions, drain } from './drain.ts';
import { guard } from './guard.ts';
import { checkImplementations, type Implementation, implement } from './implement.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import { listen } from './listen.ts';
import { compileRules, validate } from './validate.ts';

/** What to serve, where, and how. */
export type ServeOptions = {
  /** This workload's name. Policy must agree that the services belong to it. */
  readonly workload: string;
  /** Where to listen: `unix:run/inventory.app.sock`, `127.0.0.1:9000`, or port 0 for any free one. */
  readonly listen: Address | string;
  /** The services, each paired with its implementation by `implement`. */
  readonly services: readonly Implementation[];
  /** The policy table, generated from the contracts. Every RPC that is served must be in it. */
  readonly policy: PolicyTable;
  /** Run inside the runtime's own: after validation, before the handler. The first is outermost. */
  readonly interceptors?: readonly Interceptor[];
  readonly limits?: Partial<Limits>;
  readonly drain?: Partial<DrainOptions>;
  /** Services that reflection shows. Default: those that are served. */
  readonly reflection?: readonly DescService[];
  /** Services that health answers for beside those that are served: for the workload that answers in the edge's name. */
  readonly health?: readonly DescService[];
};

/** A server that listens. */
export type RunningServer = {
  /** Where it listens, as `parseAddress` reads it, the port filled in. */
  readonly address: string;
  /** Whether it wants calls, by service; `drain` tells it. */
  readonly health: Health;
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
 * @throws Error that says what is wrong and what to do: a service twice, a method missing, an RPC without policy, a rule that
 *   does not compile, an address in use.
 */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  checkImplementations(options.workload, options.services, options.policy);
  const served = options.services.map(({ service }) => service);
  const health = new Health([...served, ...(options.health ?? [])].map((service) => service.typeName));
  const builtIn = [
    implement(HealthService, health.implementation()),
    ...reflection([...(options.reflection ?? served), HealthService]),
  ];

  const acceptor = new Acceptor({
    handlers: handlersOf([...options.services, ...builtIn], options.interceptors ?? [], limits),
    policy: options.policy,
    limits,
  });
  const server = createServer({
    maxHeaderListPairs: limits.headerMaxCount,
    settings: { maxHeaderListSize: limits.headerMaxBytes, maxConcurrentStreams: limits.maxConcurrentStreams },
  });
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.on('stream', (stream, headers) => acceptor.accept(stream, headers));
    if (!server.listening) {
      // It was accepted just before the drain began.
      session.close();
    }
  });
  // A connection that breaks is its caller's affair; its calls end by their streams' 'close'.
  server.on('sessionError', () => {});

  const address = typeof options.listen === 'string' ? parseAddress(options.listen) : options.listen;
  const bound = await listen(server, address);

  let drained: Promise<void> | undefined;
  return {
    address: formatAddress(bound),
    health,
    drain() {
      drained ??= drain({ server, sessions, acceptor, health }, { ...DEFAULT_DRAIN, ...options.drain });
      return drained;
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      closeNow(sessions);
      await closed;
    },
  };
}

/** Connect's handlers of all RPCs, by path. */
function handlersOf(
  implementations: readonly Implementation[],
  interceptors: readonly Interceptor[],
  limits: Limits,
): ReadonlyMap<string, UniversalHandler> {
  const router = createConnectRouter({
    interceptors: [guard, validate, ...interceptors],
    readMaxBytes: limits.readMaxBytes,
    writeMaxBytes: limits.writeMaxBytes,
    acceptCompression: [compressionGzip, compressionBrotli],
  });
  for (const implementation of implementations) {
    compileRules(implementation.service);
    implementation.register(router);
  }
  return new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
}
