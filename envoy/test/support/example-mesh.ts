/** The example contracts as a running mesh: three real Envoys with the generated bootstraps, and scripted services behind them. */
import type { ChildProcess } from 'node:child_process';
import { spiffeId } from '../../../dev/src/authority.ts';
import type { SocketAnswer } from '../../../dev/src/socket-request.ts';
import type { TokenMint } from '../../../dev/src/tokens.ts';
import { exampleContract } from './contract-under-test.ts';
import { type ClientIdentity, GrpcClient } from './grpc-client.ts';
import { type LiveMeshOptions, startMesh } from './live-mesh.ts';
import type { ScriptedService } from './scripted-service.ts';

type Workload = 'edge' | 'desk' | 'shelf';

/** What a test has in hand. */
export interface ExampleMesh {
  readonly shelf: ScriptedService;
  readonly desk: ScriptedService;
  readonly edgePort: number;
  readonly tokens: TokenMint;
  /** Bodies of what the Envoys sent to the trace collector. */
  readonly spans: Buffer[];
  /** Where a workload's service listens (`app`, the default), or its sidecar: for its callers, or for its own calls. */
  socketOf(workload: Workload, side?: 'app' | 'in' | 'out'): string;
  /** As the desk's service calls out. */
  callerAtDesk(authority?: string): GrpcClient;
  /** As a stranger calls in. */
  stranger(): GrpcClient;
  /** Straight to the shelf's sidecar, as any identity. */
  callerAs(identity: ClientIdentity): GrpcClient;
  /** An identity of the mesh's own authority. */
  identity(uri: string, days?: number): Promise<ClientIdentity>;
  /** Objects of a workload's access log so far. */
  accessLog(workload: Workload): Record<string, unknown>[];
  /** Gives a workload a new certificate. */
  rotate(workload: Workload): Promise<void>;
  admin(workload: Workload, path: string): Promise<SocketAnswer>;
  /** The process of a workload's Envoy. */
  processOf(workload: Workload): ChildProcess;
  stop(): Promise<void>;
}

export async function startExampleMesh(options: LiveMeshOptions = {}): Promise<ExampleMesh> {
  const mesh = await startMesh(exampleContract(), options);
  const clients: GrpcClient[] = [];
  const keep = (client: GrpcClient): GrpcClient => {
    clients.push(client);
    return client;
  };
  const serviceOf = (workload: Workload): ScriptedService => {
    const service = mesh.services.get(workload);
    if (service === undefined) throw new Error(`${workload} has no service`);
    return service;
  };
  return {
    ...mesh,
    shelf: serviceOf('shelf'),
    desk: serviceOf('desk'),
    socketOf: (workload, side = 'app') => mesh.socketOf(workload, side),
    callerAtDesk: (authority = 'shelf') => keep(GrpcClient.overSocket(mesh.socketOf('desk', 'out'), authority)),
    stranger: () => keep(GrpcClient.overTcp(mesh.edgePort)),
    callerAs: (identity) => keep(GrpcClient.overTls(mesh.socketOf('shelf', 'in'), 'shelf', identity)),
    stop: async () => {
      for (const client of clients) client.close();
      await mesh.stop();
    },
  };
}

/** The certificate name of a workload. */
export const nameOf = (workload: string): string => spiffeId(workload);
