/** The example contracts as a running mesh: three real Envoys with the generated bootstraps, and scripted services behind them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertificateAuthority, spiffeId } from '../../../dev/src/authority.ts';
import { ensureCertificates, rotate } from '../../../dev/src/certificates.ts';
import { envoyBinary } from '../../../dev/src/envoy-binary.ts';
import { freePort } from '../../../dev/src/ports.ts';
import { askSocket, type SocketAnswer } from '../../../dev/src/socket-request.ts';
import { TokenMint } from '../../../dev/src/tokens.ts';
import { waitFor } from '../../../dev/src/wait.ts';
import { compileProtos, testFolder } from './compile.ts';
import { type ClientIdentity, GrpcClient } from './grpc-client.ts';
import { ScriptedService } from './scripted-service.ts';

const workloads = ['edge', 'desk', 'shelf'] as const;
type Workload = (typeof workloads)[number];

/** What a test has in hand. */
export interface ExampleMesh {
  readonly shelf: ScriptedService;
  readonly desk: ScriptedService;
  readonly edgePort: number;
  readonly tokens: TokenMint;
  /** Bodies of what the Envoys sent to the trace collector. */
  readonly spans: Buffer[];
  /** Where a workload's service listens. */
  socketOf(workload: Workload): string;
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
  stop(): Promise<void>;
}

export async function startExampleMesh(): Promise<ExampleMesh> {
  const state = mkdtempSync(join(tmpdir(), 'weft-mesh-'));
  const clients: GrpcClient[] = [];
  const processes: ChildProcess[] = [];
  const spans: Buffer[] = [];
  const collector = await listenForSpans(spans);
  const keep = (client: GrpcClient): GrpcClient => {
    clients.push(client);
    return client;
  };
  const services: ScriptedService[] = [];
  const stop = async (): Promise<void> => {
    for (const client of clients) client.close();
    await Promise.all(processes.map(endProcess));
    await Promise.all(services.map((service) => service.close()));
    await new Promise((resolve) => {
      collector.server.close(resolve);
      collector.server.closeAllConnections();
    });
    rmSync(state, { recursive: true, force: true });
  };
  try {
    for (const folder of ['run', 'logs']) mkdirSync(join(state, folder));
    await ensureCertificates(state, workloads);
    const tokens = await TokenMint.open(state);
    const shelf = await ScriptedService.listen(join(state, 'run/shelf.app.sock'));
    const desk = await ScriptedService.listen(join(state, 'run/desk.app.sock'));
    services.push(shelf, desk);
    const edgePort = await freePort();
    writeBootstraps(state, { '8080': edgePort, '4318': collector.port });
    const binary = await envoyBinary();
    for (const workload of workloads) processes.push(startEnvoy(binary, state, workload));
    const admin = (workload: Workload, path: string) => {
      const method = path.startsWith('/healthcheck') ? 'POST' : 'GET';
      return askSocket(join(state, `run/${workload}.admin.sock`), path, { method });
    };
    for (const workload of workloads) await ready(workload, admin);
    return {
      shelf,
      desk,
      edgePort,
      tokens,
      spans,
      socketOf: (workload) => join(state, `run/${workload}.app.sock`),
      callerAtDesk: (authority = 'shelf') => keep(GrpcClient.overSocket(join(state, 'run/desk.out.sock'), authority)),
      stranger: () => keep(GrpcClient.overTcp(edgePort)),
      callerAs: (identity) => keep(GrpcClient.overTls(join(state, 'run/shelf.in.sock'), 'shelf', identity)),
      identity: async (uri, days = 1) => {
        const authority = await CertificateAuthority.open(join(state, 'certs/ca'));
        return { ...(await authority.mint({ uri, days })), trusted: authority.certificate };
      },
      accessLog: (workload) => readLines(join(state, `logs/${workload}.access.log`)),
      rotate: (workload) => rotate(state, workload),
      admin,
      stop,
    };
  } catch (error) {
    for (const workload of workloads) console.error(readOrEmpty(join(state, `logs/${workload}.log`)));
    await stop();
    throw error;
  }
}

/** The certificate name of a workload. */
export const nameOf = (workload: string): string => spiffeId(workload);

/** Writes the generated bootstraps, their two ports replaced by free ones. */
function writeBootstraps(state: string, ports: Record<string, number>): void {
  const text = readFileSync(join(testFolder, 'topologies/test.yaml'), 'utf8');
  const files = compileProtos(join(testFolder, 'protos'), { topologies: [{ name: 'test', file: 'test.yaml', text }] });
  for (const { name, content } of files) {
    const workload = name.replace('envoy/test/', '');
    const replaced = content.replace(
      /(port_value: |localhost:)(8080|4318)\b/g,
      (_, before, port) => before + ports[port],
    );
    writeFileSync(join(state, workload), replaced);
  }
}

function startEnvoy(binary: string, state: string, workload: Workload): ChildProcess {
  const log = join(state, `logs/${workload}.log`);
  const args = ['-c', `${workload}.yaml`, '--disable-hot-restart', '--concurrency', '1', '--log-level', 'warning'];
  args.push('--log-path', log, '--file-flush-interval-msec', '50');
  return spawn(binary, args, { cwd: state, stdio: 'ignore' });
}

/** Ready is: listeners are open, and every callee's health check has been answered. */
async function ready(workload: Workload, admin: ExampleMesh['admin']): Promise<void> {
  const options = { withinMs: 20_000 };
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
