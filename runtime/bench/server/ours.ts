/**
 * Ours as a service uses it: `serve`, a policy table, plain Connect handlers, both contracts, nothing tuned.
 */

import type { Interceptor, ServiceImpl } from '@connectrpc/connect';
import { CheckedOrderService, OrderService, policy, WORKLOAD } from '../contract.ts';
import { handlers, type ServerCommands, type ServerOptions } from './handlers.ts';

const MANY = 2 ** 30;
const UNLIMITED = { readMaxBytes: MANY, writeMaxBytes: MANY, headerMaxBytes: MANY, maxConcurrentStreams: MANY };
const passOn: Interceptor = (next) => (request) => next(request);

export async function start(options: ServerOptions): Promise<ServerCommands> {
  const { serve, implement, fail, startTelemetry } = await runtimeOf(options.runtime);
  if (options.telemetry === true) {
    await startTelemetry({ workload: WORKLOAD });
  }
  const implementation: ServiceImpl<typeof OrderService> = handlers(() =>
    fail('INVALID_FIELD', 'the order is not what it should be', { sku: 'KIT-CHEF-KNIFE-20' }),
  );
  const server = await serve({
    workload: WORKLOAD,
    listen: '127.0.0.1:0',
    policy,
    services: [implement(OrderService, implementation), implement(CheckedOrderService, implementation)],
    interceptors: Array.from({ length: options.interceptors ?? 0 }, () => passOn),
    limits: options.unlimited === true ? UNLIMITED : {},
  });
  return { address: () => server.address };
}

/** This checkout's runtime, or another's, to compare the two. */
async function runtimeOf(folder: string | undefined) {
  if (folder === undefined) {
    const [{ serve }, { implement }, { fail }, { startTelemetry }] = await Promise.all([
      import('../../src/server/serve.ts'),
      import('../../src/server/implement.ts'),
      import('../../src/errors/fail.ts'),
      import('../../src/telemetry/start.ts'),
    ]);
    return { serve, implement, fail, startTelemetry };
  }
  const other = (path: string): Promise<unknown> => import(`${folder}/src/${path}`);
  // The other checkout is another state of the same files.
  const [{ serve }, { implement }, { fail }, { startTelemetry }] = (await Promise.all(
    ['server/serve.ts', 'server/implement.ts', 'errors/fail.ts', 'telemetry/start.ts'].map(other),
  )) as [
    typeof import('../../src/server/serve.ts'),
    typeof import('../../src/server/implement.ts'),
    typeof import('../../src/errors/fail.ts'),
    typeof import('../../src/telemetry/start.ts'),
  ];
  return { serve, implement, fail, startTelemetry };
}
