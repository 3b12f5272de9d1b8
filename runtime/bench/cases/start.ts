/** Starts the processes of a comparison: servers with the load that drives them, and clients with the server they call. */

import type { Subject } from '../compare.ts';
import type { Call } from '../load/calls.ts';
import type { LoadCommands } from '../load/load.ts';
import type { ServerCommands, ServerOptions } from '../server/handlers.ts';
import type { Settings } from '../settings.ts';
import type { CommonCommands } from '../worker.ts';
import { startWorker, type Worker, type WorkerOptions } from '../workers.ts';

/** The servers by name; `base` is ours of another checkout. */
const SERVERS: Readonly<Record<string, string>> = {
  ours: './server/ours.ts',
  base: './server/ours.ts',
  bare: './server/bare.ts',
  'grpc-js': './server/grpc-js.ts',
  'connect-node': './server/connect-node.ts',
};

export type ServerWorker = Worker<CommonCommands & ServerCommands>;
export type LoadWorker = Worker<CommonCommands & LoadCommands>;

export async function startServer(
  name: string,
  {
    options,
    settings,
    ...rest
  }: { options?: ServerOptions; settings: Settings } & Pick<WorkerOptions, 'env' | 'execArgv'>,
): Promise<ServerWorker> {
  const module = SERVERS[name];
  if (module === undefined) {
    throw new Error(`there is no server ${name}; there are ${Object.keys(SERVERS).join(', ')}`);
  }
  const runtime = name === 'base' && settings.base !== undefined ? { runtime: settings.base } : {};
  return startWorker(`server ${name}`, { ...rest, module, options: { ...options, ...runtime } });
}

export function startLoad(): Promise<LoadWorker> {
  return startWorker('load', { module: './load/load.ts' });
}

/** A server under load. */
export async function serverSubject(
  name: string,
  { worker, load, call, settings }: { worker: ServerWorker; load: LoadWorker; call: Call; settings: Settings },
): Promise<Subject> {
  const address = await worker.ask('address');
  const { callers, connections } = settings;
  return {
    name,
    worker,
    drive: (limits) => load.ask('drive', { address, call, callers, connections, ...limits }),
    verify: () => load.ask('verify', { address, call }),
  };
}

/** The variants that are wanted, ours first. */
export function chosen(variants: readonly string[], { only, base }: Settings): string[] {
  const all = base === undefined ? variants : [...variants, 'base'];
  return all.filter((name) => name === 'ours' || only === undefined || only.has(name));
}
