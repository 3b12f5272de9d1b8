/**
 * The local mesh: PostgreSQL, the services, their sidecars, the edge, the console and the page, started in the order in which
 * they need each other and stopped so that no running call is cut. `npm start` and the end-to-end tests use it alike.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { workloadNames, writeBootstrap } from './bootstrap.ts';
import { ensureCertificates } from './certificates.ts';
import { serviceDatabases } from './databases.ts';
import { envoyBinary } from './envoy-binary.ts';
import { Failure } from './failure.ts';
import { endLeftovers } from './leftovers.ts';
import { type Lock, lockStateFolder } from './lock.ts';
import { rotateLog } from './logs.ts';
import { applyMigrations, migrationsFolderOf } from './migrations.ts';
import { buildPage } from './page.ts';
import { forgetSocketFolder } from './paths.ts';
import { choosePorts, type Ports } from './ports.ts';
import { postgresCluster } from './postgres.ts';
import type { Progress } from './progress.ts';
import { ledgerFile, Supervisor } from './supervisor.ts';
import { TokenMint, type TokenOptions } from './tokens.ts';
import { waitFor } from './wait.ts';
import {
  adminOf,
  callersFirst,
  envoyName,
  envoyProcess,
  logFile,
  type Place,
  serviceProcess,
  webProcess,
} from './workloads.ts';

/** Time for the health checks of callers to see that a sidecar turns them away, before it stops. */
const turnAwayMs = 3500;
/** Longest wait for calls that run through the edge when the mesh stops. */
const lastCallsMs = 2000;
const renewEveryMs = 60 * 60 * 1000;

export interface MeshOptions {
  stateFolder: string;
  /** `default` takes the well-known ports where they are free; `free` never does. */
  ports: 'default' | 'free';
  progress: Progress;
  /** Aborted to give up a start. */
  signal?: AbortSignal;
}

/** Starts everything and resolves when calls through the edge are answered. Throws Failure with nothing left running. */
export async function startMesh(options: MeshOptions): Promise<Mesh> {
  const { stateFolder, progress } = options;
  const lock = lockStateFolder(stateFolder);
  const place: Place = { stateFolder, ports: await choosePorts(options.ports) };
  const mesh = new Mesh(place, lock, (line) => progress.say(`  ! ${line}`));
  const giveUp = () => void mesh.close();
  options.signal?.addEventListener('abort', giveUp, { once: true });
  try {
    options.signal?.throwIfAborted();
    await mesh.open(progress);
    return mesh;
  } catch (error) {
    await mesh.close();
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', giveUp);
  }
}

export class Mesh {
  readonly stateFolder: string;
  readonly ports: Ports;
  readonly edgeUrl: string;
  readonly webUrl: string;
  readonly otlpUrl: string;
  /** Address of each service's database, by service. */
  databases: ReadonlyMap<string, string> = new Map();
  readonly #place: Place;
  readonly #lock: Lock;
  readonly #supervisor: Supervisor;
  readonly #workloads = workloadNames();
  #mint: TokenMint | undefined;
  #renewal: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  /** Not for use; see `startMesh`. */
  constructor(place: Place, lock: Lock, report: (line: string) => void) {
    this.#place = place;
    this.#lock = lock;
    this.stateFolder = place.stateFolder;
    this.ports = place.ports;
    this.edgeUrl = `http://127.0.0.1:${place.ports.edge}`;
    this.webUrl = `http://127.0.0.1:${place.ports.web}`;
    this.otlpUrl = `http://127.0.0.1:${place.ports.otlp}`;
    this.#supervisor = new Supervisor({ stateFolder: place.stateFolder, report });
  }

  /** Names of the processes: `inventory`, `inventory-sidecar`, `edge`, `postgres`, `web`. */
  get processes(): string[] {
    return this.#supervisor.names;
  }

  /** Pids of what is up, by name. */
  pids(): Map<string, number> {
    return this.#supervisor.pids();
  }

  /** A bearer token that the edge accepts. */
  async token(options: TokenOptions = {}): Promise<string> {
    if (this.#mint === undefined) throw new Error('the mesh is not open');
    return this.#mint.mint(options);
  }

  /** SIGKILL; the supervisor starts the process again. */
  async kill(name: string): Promise<void> {
    this.#supervisor.kill(name);
  }

  /** Stops a process gracefully; it stays down until `start`. */
  async stop(name: string): Promise<void> {
    await this.#supervisor.stop(name);
  }

  async start(name: string): Promise<void> {
    await this.#supervisor.startAgain(name);
  }

  /** Resolves when the process is up and ready. */
  async ready(name: string): Promise<void> {
    await this.#supervisor.whenReady(name);
  }

  /** Takes a service and its sidecar down and up again in the order that lets no call of its callers fail half way. */
  async restart(workload: string): Promise<void> {
    const sidecar = envoyName(workload);
    await adminOf(this.stateFolder, workload).failHealthChecks();
    await delay(turnAwayMs);
    await this.#supervisor.stop(sidecar);
    if (sidecar !== workload) {
      await this.#supervisor.stop(workload);
      await this.#supervisor.startAgain(workload);
    }
    await this.#supervisor.startAgain(sidecar);
    await this.#connected();
  }

  /** Not for use; see `startMesh`. */
  async open(progress: Progress): Promise<void> {
    const { stateFolder } = this;
    const left = await endLeftovers(ledgerFile(stateFolder));
    if (left.length > 0) progress.say(`  Ended what a former run had left: ${left.join(', ')}`);
    this.#layOut();
    const services = this.#workloads.filter((workload) => workload !== 'edge');
    // The first three need nothing of each other. All are waited for, so that a failure leaves none of them running.
    const [envoy, databases] = await allOrThrow([
      progress.step('Envoy', envoyBinary),
      this.#openDatabases(progress),
      progress.step('Certificates and keys', (note) => this.#openKeys(note)),
      progress.step('Web page', buildPage),
    ] as const);
    this.databases = databases;
    await allOrThrow([
      ...services.map((service) =>
        progress.step(`Service ${service}`, () =>
          this.#supervisor.start(serviceProcess(this.#place, service, databases.get(service))),
        ),
      ),
      progress.step('Web server', (note) => {
        note(`port ${this.ports.web}`);
        return this.#supervisor.start(webProcess(this.#place));
      }),
    ]);
    await progress.step('Sidecars and edge', async (note) => {
      note(`port ${this.ports.edge}`);
      await this.#startEnvoys(envoy);
      await this.#connected();
    });
    this.#renewal = setInterval(() => {
      ensureCertificates(stateFolder, this.#workloads).catch((error) => progress.say(`  ! certificates: ${error}`));
    }, renewEveryMs);
    this.#renewal.unref();
  }

  /** Stops everything in order and gives the state folder back. Called twice, it does so once. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Kills everything at once; `close` still has to be called. */
  abort(): void {
    this.#supervisor.killAll();
  }

  async #close(): Promise<void> {
    clearInterval(this.#renewal);
    this.#supervisor.seal();
    try {
      await this.#stopInOrder();
    } finally {
      await this.#supervisor.end();
      rmSync(join(this.stateFolder, 'run'), { recursive: true, force: true });
      forgetSocketFolder(this.stateFolder);
      this.#lock.release();
    }
  }

  async #stopInOrder(): Promise<void> {
    const up = this.#supervisor.pids();
    const stop = async (name: string) => (up.has(name) ? this.#supervisor.stop(name) : undefined);
    if (up.has('edge')) {
      const edge = adminOf(this.stateFolder, 'edge');
      await edge.failHealthChecks().catch(() => {});
      await waitFor('the last calls', async () => (await edge.activeRequests()) === 0, { withinMs: lastCallsMs }).catch(
        () => {},
      );
    }
    await Promise.all([stop('edge'), stop('web')]);
    const services = callersFirst(this.#workloads.filter((workload) => workload !== 'edge'));
    // The console is the last to go: it takes the spans of those that stop.
    const ordered = [
      ...services.filter((service) => service !== 'console'),
      ...services.filter((service) => service === 'console'),
    ];
    for (const service of ordered) {
      if (up.has(envoyName(service)))
        await adminOf(this.stateFolder, service)
          .failHealthChecks()
          .catch(() => {});
      await stop(service);
    }
    await Promise.all(services.map((service) => stop(envoyName(service))));
    await stop('postgres');
  }

  /** The folders, empty where they hold nothing that lasts. */
  #layOut(): void {
    const { stateFolder } = this;
    rmSync(join(stateFolder, 'run'), { recursive: true, force: true });
    for (const folder of ['run', 'logs', 'certs', 'secrets']) {
      mkdirSync(join(stateFolder, folder), { recursive: true, mode: 0o700 });
    }
    for (const workload of this.#workloads) rotateLog(join(stateFolder, 'logs', `${workload}.access.log`));
  }

  async #openKeys(note: (detail: string) => void): Promise<void> {
    this.#mint = await TokenMint.open(this.stateFolder);
    const renewed = await ensureCertificates(this.stateFolder, this.#workloads);
    note(renewed.length === 0 ? 'as they were' : `${renewed.length} new certificates`);
  }

  async #openDatabases(progress: Progress): Promise<Map<string, string>> {
    const { stateFolder, ports } = this;
    const names = this.#workloads.filter((workload) => migrationsFolderOf(workload) !== undefined);
    const databases = await progress.step('PostgreSQL 18', async (note) => {
      note(`port ${ports.postgres}`);
      const cluster = await postgresCluster({
        stateFolder,
        port: ports.postgres,
        logFile: logFile(stateFolder, 'postgres'),
      });
      await this.#supervisor.start(cluster.process);
      return serviceDatabases(cluster, stateFolder, names);
    });
    await progress.step('Migrations', async (note) => {
      const applied = await allOrThrow([...databases].map(([service, url]) => applyMigrations(service, url)));
      const count = applied.flat().length;
      note(count === 0 ? 'none missing' : `${count} applied`);
    });
    return databases;
  }

  async #startEnvoys(envoy: string): Promise<void> {
    const start = (workload: string) => {
      const bootstrap = writeBootstrap(this.stateFolder, workload, this.ports);
      return this.#supervisor.start(envoyProcess(this.#place, workload, envoy, bootstrap));
    };
    // Callees first: an Envoy that finds its callee's socket missing looks again only a second later.
    for (const workload of callersFirst(this.#workloads.filter((name) => name !== 'edge')).reverse())
      await start(workload);
    await start('edge');
  }

  /** Resolves when every Envoy has found each of its callees healthy. */
  async #connected(): Promise<void> {
    const missing = new Map<string, string[]>();
    try {
      await waitFor(
        'the way between all workloads',
        async () => {
          for (const workload of this.#workloads) {
            const unreachable = await adminOf(this.stateFolder, workload).unreachable();
            if (unreachable.length > 0) {
              missing.set(workload, unreachable);
              return false;
            }
            missing.delete(workload);
          }
          return true;
        },
        { withinMs: 20_000 },
      );
    } catch (cause) {
      const why = [...missing]
        .map(([caller, callees]) => `${caller} reaches no healthy ${callees.join(', ')}`)
        .join('\n');
      throw new Failure('The workloads do not find each other', {
        why: why || String(cause),
        log: join(this.stateFolder, 'logs'),
        remedy: 'Read the logs of the sidecars named; `npm start -- --reset` makes all certificates anew.',
        cause,
      });
    }
  }
}

/** Like Promise.all, but waits for all before it throws the first error. */
async function allOrThrow<T extends readonly unknown[]>(work: T): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const results = await Promise.allSettled(work);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as never;
}
