/**
 * The whole main function of an ordinary workload: environment, log, telemetry, its services, one server for them, and the order
 * in which all that ends. A workload with other parts (the console) puts them together itself, with `run`.
 */

import { type Environment, readEnvironment } from '../environment.ts';
import { configureLog } from '../log.ts';
import type { PolicyTable } from '../policy.ts';
import { startTelemetry } from '../telemetry/start.ts';
import type { Implementation } from './implement.ts';
import { run } from './run.ts';
import { serve } from './serve.ts';

/** What a workload serves. */
export type Opened = {
  readonly services: readonly Implementation[];
  /** Ends what the services lean on (pools, background work), once the last call is answered. */
  close?(): Promise<void>;
};

/**
 * Runs a workload until it is told to stop.
 *
 * @param options.policy what the contracts say of each RPC.
 * @param options.open makes the services; what it throws ends the process, in words (`run`).
 */
export function runService(options: {
  readonly policy: PolicyTable;
  readonly open: (environment: Environment) => Opened | Promise<Opened>;
}): Promise<void> {
  return run(async () => {
    const environment = readEnvironment();
    const { workload, listen, logLevel } = environment;
    configureLog({ workload, level: logLevel });
    const telemetry = await startTelemetry({ workload });
    const opened = await options.open(environment);
    const server = await serve({ workload, listen, policy: options.policy, services: opened.services });
    return {
      server,
      async close() {
        await opened.close?.();
        await telemetry.stop();
      },
    };
  });
}
