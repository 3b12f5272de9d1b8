/** Any contract as a running mesh: a real Envoy with its generated bootstrap for the edge and each workload, and scripted services behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertificateAuthority } from '../../../dev/src/authority.ts';
import { ensureCertificates, rotate } from '../../../dev/src/certificates.ts';
import { envoyBinary } from '../../../dev/src/envoy-binary.ts';
import { freePort } from '../../../dev/src/ports.ts';
import { askSocket, type SocketAnswer } from '../../../dev/src/socket-request.ts';
import { TokenMint } from '../../../dev/src/tokens.ts';
import { waitFor } from '../../../dev/src/wait.ts';
import { compile } from '../../src/compile.ts';
import type { ContractUnderTest } from './contract-under-test.ts';
import type { ClientIdentity } from './grpc-client.ts';
import { ScriptedService } from './scripted-service.ts';

/** What a test has in hand. `workload` is a name of the contract, or `edge`. */
export interface LiveMesh {
  /** By workload. */
  readonly services: ReadonlyMap<string, ScriptedService>;
  readonly edgePort: number;
  readonly collectorPort: number;
  /** The folder in which the Envoys run. */
  readonly folder: string;
  readonly tokens: TokenMint;
  /** Bodies of what the Envoys sent to the trace collector. */
  readonly spans: Buffer[];
  /** One of a workload's sockets: its service's, the one for its callers, the one for its own calls. */
  socketOf(workload: string, side: 'app' | 'in' | 'out'): string;
  /** An identity of the mesh's own authority. */
  identity(uri: string, days?: number): Promise<ClientIdentity>;
  /** Objects of a workload's access log so far. */
  accessLog(workload: string): Record<string, unknown>[];
  /** Gives a workload a new certificate. */
  rotate(workload: string): Promise<void>;
  admin(workload: string, path: string): Promise<SocketAnswer>;
  /** The process of a workload's Envoy. */
  processOf(workload: string): ChildProcess;
  stop(): Promise<void>;
}

export interface LiveMeshOptions {
  /** Changes a bootstrap before it is used: for tests that show what would be without something. */
  readonly spoil?: (workload: string, bootstrap: string) => string;
  /** Called before the Envoys start, with where the sockets will be. */
  readonly before?: (socketOf: LiveMesh['socketOf']) => Promise<unknown>;
}

export async function startMesh(contract: ContractUnderTest, options: LiveMeshOptions = {}): Promise<LiveMesh> {
  const workloads = ['edge', ...contract.workloads];
  const state = mkdtempSync(join(tmpdir(), 'weft-mesh-'));
  const processes = new Map<string, ChildProcess>();
  const spans: Buffer[] = [];
  const collector = await listenForSpans(spans);
  const services = new Map<string, ScriptedService>();
  const stop = async (): Promise<void> => {
    await Promise.all([...processes.values()].map(endProcess));
    await Promise.all([...services.values()].map((service) => service.close()));
    await new Promise((resolve) => {
      collector.server.close(resolve);
      collector.server.closeAllConnections();
    });
    rmSync(state, { recursive: true, force: true });
  };
  const socketOf = (workload: string, side: string) => join(state, `run/${workload}.${side}.sock`);
  const streams = new Set(
    contract.rpcs.filter(({ desc }) => desc.methodKind !== 'unary').map(({ name }) => `/${name}`),
  );
  try {
    for (const folder of ['run', 'logs']) mkdirSync(join(state, folder));
    await ensureCertificates(state, workloads);
    const tokens = await TokenMint.open(state);
    for (const workload of contract.workloads) {
      services.set(workload, await ScriptedService.listen(socketOf(workload, 'app'), streams));
    }
    const edgePort = await freePort();
    writeBootstraps(contract, state, { '8080': edgePort, '4318': collector.port }, options);
    await options.before?.(socketOf);
    const binary = await envoyBinary();
    for (const workload of workloads) processes.set(workload, startEnvoy(binary, state, workload));
    const admin = (workload: string, path: string) => {
      const method = path.startsWith('/healthcheck') ? 'POST' : 'GET';
      return askSocket(socketOf(workload, 'admin'), path, { method });
    };
    for (const workload of workloads) await ready(workload, admin);
    return {
      services,
      edgePort,
      collectorPort: collector.port,
      folder: state,
      tokens,
      spans,
      socketOf,
      identity: async (uri, days = 1) => {
        const authority = await CertificateAuthority.open(join(state, 'certs/ca'));
        return { ...(await authority.mint({ uri, days })), trusted: authority.certificate };
      },
      accessLog: (workload) => readLines(join(state, `logs/${workload}.access.log`)),
      rotate: (workload) => rotate(state, workload),
      admin,
      processOf: (workload) => {
        const child = processes.get(workload);
        if (child === undefined) throw new Error(`${workload} has no Envoy`);
        return child;
      },
      stop,
    };
  } catch (error) {
    for (const workload of workloads) console.error(readOrEmpty(join(state, `logs/${workload}.log`)));
    await stop();
    throw error;
  }
}

/** The contract's bootstraps in its topology, by workload. */
export function bootstrapsOf({ registry, files, topology }: ContractUnderTest): Map<string, string> {
  const topologies = [{ name: 'test', file: 'test.yaml', text: topology }];
  const outputs = compile({ registry, files, sourceRoot: 'protos', topologies });
  return new Map(outputs.map(({ name, content }) => [name.replace('envoy/test/', '').replace('.yaml', ''), content]));
}

/** Writes the generated bootstraps, their two ports replaced by free ones. */
function writeBootstraps(
  contract: ContractUnderTest,
  state: string,
  ports: Record<string, number>,
  { spoil = (_, bootstrap) => bootstrap }: LiveMeshOptions,
): void {
  for (const [workload, content] of bootstrapsOf(contract)) {
    const replaced = content.replace(
      /(port_value: |localhost:|127\.0\.0\.1:)(8080|4318)\b/g,
      (_, before, port) => before + ports[port],
    );
    writeFileSync(join(state, `${workload}.yaml`), spoil(workload, replaced));
  }
}

function startEnvoy(binary: string, state: string, workload: string): ChildProcess {
  const log = join(state, `logs/${workload}.log`);
  const args = ['-c', `${workload}.yaml`, '--disable-hot-restart', '--concurrency', '1', '--log-level', 'warning'];
  args.push('--log-path', log, '--file-flush-interval-msec', '50');
  return spawn(binary, args, { cwd: state, stdio: 'ignore' });
}

/** Ready is: listeners are open, and every callee's health check has been answered. */
async function ready(workload: string, admin: LiveMesh['admin']): Promise<void> {
  const options = { withinMs: 30_000 };
  await waitFor(`readiness of ${workload}`, async () => (await admin(workload, '/ready')).status === 200, options);
  await waitFor(
    `health of the callees of ${workload}`,
    async () => {
      const { body } = await admin(workload, '/stats?filter=membership_(healthy|total)$');
      const counts = [...body.matchAll(/^cluster\.(.+)\.membership_(\w+): (\d+)$/gm)];
      const healthy = counts.filter(([, , kind]) => kind === 'healthy').map(([, , , count]) => count);
      const total = counts.filter(([, , kind]) => kind === 'total').map(([, , , count]) => count);
      return healthy.length > 0 && healthy.join() === total.join();
    },
    options,
  );
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

async function listenForSpans(spans: Buffer[]): Promise<{ server: Server; port: number }> {
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      spans.push(Buffer.concat(chunks));
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the collector has no port');
  return { server, port: address.port };
}

const readLines = (path: string): Record<string, unknown>[] =>
  readOrEmpty(path)
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line));

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
