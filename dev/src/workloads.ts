/** The processes of a mesh: how each is run, what it is told, and when it counts as ready. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { policies } from '@weft/gen/weft/policy.ts';
import { EnvoyAdmin } from './admin.ts';
import { isServing } from './health.ts';
import { checkout, socketPath } from './paths.ts';
import type { Ports } from './ports.ts';
import type { ProcessSpec } from './process.ts';
import { waitFor } from './wait.ts';

/** Where a process of the mesh finds what it needs. */
export interface Place {
  stateFolder: string;
  ports: Ports;
}

/** What of the user's environment a process of the mesh gets to see: enough to run, and OpenTelemetry's own variables. */
const inherited =
  /^(PATH|HOME|USER|LANG|LC_.*|TZ|TMPDIR|SSL_CERT_(FILE|DIR)|NODE_EXTRA_CA_CERTS|WEFT_LOG_LEVEL|OTEL_.*)$/;

/** Bounds of a Node process: a leak ends in a crash that is seen, and the young generation stays small. */
const nodeOptions = ['--max-old-space-size=256', '--max-semi-space-size=4'];

/** Node keeps compiled code here: half of what a service does when it starts is compiling. dev/start.mjs names it too. */
const compileCache = join(checkout, 'node_modules', '.cache', 'node');

/** The process of the application itself. */
export function serviceProcess(place: Place, workload: string, databaseUrl: string | undefined): ProcessSpec {
  const { stateFolder, ports } = place;
  const main = join(checkout, 'services', workload, 'src', 'main.ts');
  return {
    name: workload,
    command: process.execPath,
    args: [...nodeOptions, main],
    env: {
      ...environment(ports),
      WEFT_WORKLOAD: workload,
      WEFT_LISTEN: `unix:run/${workload}.app.sock`,
      WEFT_EGRESS: `unix:run/${workload}.out.sock`,
      ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
    },
    cwd: stateFolder,
    logFile: logFile(stateFolder, workload),
    stopSignal: 'SIGTERM',
    stopGraceMs: 12_000,
    ready: (signal) =>
      waitFor(`health of ${workload}`, () => isServing(socketPath(stateFolder, `run/${workload}.app.sock`)), {
        withinMs: 30_000,
        signal,
      }),
    readyTimeoutMs: 30_000,
    ...(existsSync(main) ? {} : { remedy: `services/${workload}/src/main.ts does not exist.` }),
  };
}

/** The Envoy beside a workload, or the one at the edge. */
export function envoyProcess(place: Place, workload: string, envoy: string, bootstrap: string): ProcessSpec {
  const { stateFolder } = place;
  const admin = adminOf(stateFolder, workload);
  const name = envoyName(workload);
  return {
    name,
    command: envoy,
    args: [
      ...['-c', bootstrap, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'warning'],
      // Access logs are read while things happen; the default of 10 s is too late for that.
      ...['--file-flush-interval-msec', '1000', '--drain-time-s', '2'],
    ],
    env: inheritedEnvironment(),
    cwd: stateFolder,
    logFile: logFile(stateFolder, name),
    stopSignal: 'SIGTERM',
    stopGraceMs: 5000,
    ready: (signal) => waitFor(`readiness of ${name}`, () => admin.isReady(), { withinMs: 20_000, signal }),
    readyTimeoutMs: 20_000,
    remedy: `Read the log. A port that was taken meanwhile is told as "cannot bind": start again.`,
  };
}

/** The server of the page. */
export function webProcess({ stateFolder, ports }: Place): ProcessSpec {
  const url = `http://127.0.0.1:${ports.web}`;
  return {
    name: 'web',
    command: process.execPath,
    args: ['--max-old-space-size=64', '--max-semi-space-size=2', join(checkout, 'web', 'server.ts')],
    env: {
      ...inheritedEnvironment(),
      WEFT_WEB_LISTEN: `127.0.0.1:${ports.web}`,
      WEFT_EDGE_URL: `http://127.0.0.1:${ports.edge}`,
    },
    cwd: stateFolder,
    logFile: logFile(stateFolder, 'web'),
    stopSignal: 'SIGTERM',
    stopGraceMs: 4000,
    ready: (signal) =>
      waitFor('an answer of the web server', async () => (await fetch(`${url}/config.json`, { signal })).ok, {
        withinMs: 15_000,
        signal,
      }),
    readyTimeoutMs: 15_000,
  };
}

export function envoyName(workload: string): string {
  return workload === 'edge' ? 'edge' : `${workload}-sidecar`;
}

export function logFile(stateFolder: string, process: string): string {
  return join(stateFolder, 'logs', `${process}.log`);
}

export function adminOf(stateFolder: string, workload: string): EnvoyAdmin {
  return new EnvoyAdmin(socketPath(stateFolder, `run/${workload}.admin.sock`));
}

/** Another collector that the user has named by OpenTelemetry's standard variables; the console forwards to it. */
export function userCollector(variables: NodeJS.ProcessEnv = process.env): string | undefined {
  const traces = variables.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT;
  // The variable for traces names the whole path; the console adds `v1/traces` itself.
  if (traces) return traces.replace(/\/?v1\/traces\/?$/, '');
  return variables.OTEL_EXPORTER_OTLP_ENDPOINT || undefined;
}

/** How metrics leave: as the user says by OpenTelemetry's standard variables, whose default without an endpoint would be the console. */
export function metricsExporter(variables: NodeJS.ProcessEnv = process.env): string {
  const { OTEL_METRICS_EXPORTER, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT } = variables;
  const endpoint = OTEL_EXPORTER_OTLP_METRICS_ENDPOINT || OTEL_EXPORTER_OTLP_ENDPOINT;
  return OTEL_METRICS_EXPORTER || (endpoint ? 'otlp' : 'none');
}

/** Workloads, callers before those they call: the order in which a mesh stops. */
export function callersFirst(workloads: readonly string[]): string[] {
  const calls = new Map<string, Set<string>>(workloads.map((workload) => [workload, new Set()]));
  const workloadOf = new Map<string, string>(Object.entries(policies).map(([rpc, { workload }]) => [rpc, workload]));
  for (const policy of Object.values(policies)) {
    for (const { rpc } of policy.calls) calls.get(policy.workload)?.add(workloadOf.get(rpc) ?? '');
  }
  const ordered: string[] = [];
  const visitCallees = (workload: string): void => {
    if (ordered.includes(workload)) return;
    for (const callee of calls.get(workload) ?? []) if (callee !== workload) visitCallees(callee);
    if (!ordered.includes(workload)) ordered.push(workload);
  };
  for (const workload of workloads) visitCallees(workload);
  return ordered.filter((workload) => workloads.includes(workload)).reverse();
}

function inheritedEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(([name, value]) => inherited.test(name) && value !== undefined);
  return Object.fromEntries(entries) as Record<string, string>;
}

function environment(ports: Ports): Record<string, string> {
  const collector = userCollector();
  return {
    ...inheritedEnvironment(),
    NODE_ENV: 'development',
    NODE_COMPILE_CACHE: compileCache,
    // Traces go to the console, which shows them and passes them on; metrics go where the user wants them, or nowhere.
    OTEL_METRICS_EXPORTER: metricsExporter(),
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${ports.otlp}/v1/traces`,
    ...(collector === undefined ? {} : { WEFT_OTLP_FORWARD: collector }),
    OTEL_BSP_SCHEDULE_DELAY: '500',
    WEFT_OTLP_LISTEN: `127.0.0.1:${ports.otlp}`,
    WEFT_ADMIN_SOCKETS: 'run',
  };
}
