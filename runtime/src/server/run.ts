/**
 * The main function of a workload: starts its server, drains it on SIGTERM or SIGINT, and ends the process with a code that
 * says how it went.
 */

import { EnvironmentError } from '../environment.ts';
import { log } from '../log.ts';
import type { RunningServer } from './serve.ts';

/** What a workload's main function starts. */
export type Workload = {
  readonly server: Pick<RunningServer, 'address' | 'drain'>;
  /** Closes what the server's calls leaned on (pools, tails, telemetry), once the last call is answered. */
  close?(): Promise<void>;
};

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
/** What is not closed by then is left to the end of the process, in milliseconds. */
const CLOSE_MAX_MS = 5_000;

/**
 * Runs a workload until it is told to stop. A second signal ends the process at once.
 *
 * A start that fails is told on standard error, without a stack where the environment is at fault, and exits with 1.
 */
export async function run(start: () => Promise<Workload>): Promise<void> {
  process.on('unhandledRejection', (error) => {
    // The process is in a state that nobody thought of: better a restart than answers from it.
    log.error('a promise was rejected and nobody looked', { error });
    process.exit(1);
  });
  let workload: Workload;
  try {
    workload = await start();
  } catch (error) {
    log.error(
      error instanceof Error ? error.message : String(error),
      error instanceof EnvironmentError ? {} : { error },
    );
    process.exit(1);
  }
  log.info('listening', { address: workload.server.address });
  const signal = await firstSignal();
  log.info('draining', { signal });
  await workload.server.drain();
  setTimeout(() => {
    log.warn('the process ends before all is closed');
    process.exit(1);
  }, CLOSE_MAX_MS).unref();
  await workload.close?.();
  log.info('stopped');
  process.exit(0);
}

function firstSignal(): Promise<string> {
  return new Promise((resolve) => {
    let stopping = false;
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (stopping) {
          process.exit(1);
        }
        stopping = true;
        resolve(signal);
      });
    }
  });
}
