/** Starts the processes of a comparison: servers with the load that drives them, and clients with the server they call. */

import type { ClientCall, ClientCommands, ClientOptions } from '../client/drive.ts';
import type { Subject } from '../compare.ts';
import type { AnswererOptions } from '../load/answerer.ts';
import type { Call } from '../load/calls.ts';
import type { LoadCommands } from '../load/load.ts';
import type { ServerCommands, ServerOptions } from '../server/handlers.ts';
import type { Settings } from '../settings.ts';
import type { CommonCommands } from '../worker.ts';
import { startWorker, type Worker, type WorkerOptions } from '../workers.ts';

/** The servers by name; `base` is ours of another checkout. */
const SERVERS: Readonly<Record<string, { readonly module: string; readonly options?: ServerOptions }>> = {
  ours: { module: './server/ours.ts' },
  base: { module: './server/ours.ts' },
  bare: { module: './server/bare.ts' },
  'bare-our-codec': { module: './server/bare.ts', options: { ourCodec: true } },
  'grpc-js': { module: './server/grpc-js.ts' },
  'connect-node': { module: './server/connect-node.ts' },
};

/** The clients by name. */
const CLIENTS: Readonly<Record<string, { readonly module: string; readonly options?: Partial<ClientOptions> }>> = {
  ours: { module: './client/ours.ts' },
  base: { module: './client/ours.ts' },
  bare: { module: './client/bare.ts' },
  'bare-our-codec': { module: './client/bare.ts', options: { ourCodec: true } },
  'grpc-js': { module: './client/grpc-js.ts' },
  'connect-node': { module: './client/connect-node.ts' },
  'connect-node-json': { module: './client/connect-node-json.ts' },
};

export type ClientWorker = Worker<CommonCommands & ClientCommands>;
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
  const started = SERVERS[name];
  if (started === undefined) {
    throw new Error(`there is no server ${name}; there are ${Object.keys(SERVERS).join(', ')}`);
  }
  const runtime = name === 'base' && settings.base !== undefined ? { runtime: settings.base } : {};
  return startWorker(`server ${name}`, {
    ...rest,
    module: started.module,
    options: { ...started.options, ...options, ...runtime },
  });
}

export function startLoad(): Promise<LoadWorker> {
  return startWorker('load', { module: './load/load.ts' });
}

/** A server under load. */
export async function serverSubject(
  name: string,
  { worker, load, settings, call }: { worker: ServerWorker; load: LoadWorker; settings: Settings; call: Call },
): Promise<Subject> {
  const address = await worker.ask('address');
  const { callers, connections } = settings;
  const messagesACall = call.rpc === 'WatchOrder' ? (call.updates ?? 1) : 1;
  return {
    name,
    worker,
    async drive(limits) {
      const { calls, ms } = await load.ask('drive', { address, call, callers, connections, ...limits });
      return { calls: calls * messagesACall, ms };
    },
    verify: () => load.ask('verify', { address, call }),
  };
}

/** The server that clients call. */
export function startAnswerer(options: AnswererOptions = {}): Promise<ServerWorker> {
  return startWorker('answers', { module: './load/answerer.ts', options });
}

export async function startClient(
  name: string,
  { options, settings, ...rest }: { options: ClientOptions; settings: Settings } & Pick<WorkerOptions, 'env'>,
): Promise<ClientWorker> {
  const started = CLIENTS[name];
  if (started === undefined) {
    throw new Error(`there is no client ${name}; there are ${Object.keys(CLIENTS).join(', ')}`);
  }
  const runtime = name === 'base' && settings.base !== undefined ? { runtime: settings.base } : {};
  return startWorker(`client ${name}`, {
    ...rest,
    module: started.module,
    options: { ...started.options, ...options, ...runtime },
  });
}

/** A client that calls. */
export function clientSubject(
  name: string,
  { worker, settings, call = {} }: { worker: ClientWorker; settings: Settings; call?: ClientCall },
): Subject {
  return {
    name,
    worker,
    drive: (limits) => worker.ask('drive', { callers: settings.callers, ...call, ...limits }),
    verify: () => worker.ask('verify', call),
  };
}

/** The variants that are wanted: ours first, and another checkout's last, if one is named. */
export function chosen(variants: readonly string[], { only, base }: Settings): string[] {
  const kept = variants.filter((name) => name === 'ours' || only === undefined || only.has(name));
  return base === undefined ? kept : [...kept, 'base'];
}
