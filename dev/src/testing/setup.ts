/** vitest's global setup: starts the broker before the first worker and stops all that it started after the last. */
import type { TestProject } from 'vitest/node';
import { Broker } from './broker.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Socket of the broker (broker.ts). */
    broker: string;
  }
}

/** Returns the teardown. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const broker = await Broker.start();
  project.provide('broker', broker.address);
  return () => broker.stop();
}
