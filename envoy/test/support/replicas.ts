/**
 * The example contracts as a mesh whose shelf has two replicas, or two versions: real Envoys with generated bootstraps, each of them
 * stopped and started on its own. The second one's sidecar is compiled from a topology that differs in where the shelf is.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { ensureCertificates } from '../../../dev/src/certificates.ts';
import { envoyBinary } from '../../../dev/src/envoy-binary.ts';
import { choosePorts } from '../../../dev/src/ports.ts';
import { askSocket } from '../../../dev/src/socket-request.ts';
import { Supervisor } from '../../../dev/src/supervisor.ts';
import { TokenMint } from '../../../dev/src/tokens.ts';
import { waitFor } from '../../../dev/src/wait.ts';
import { envoyName, envoyProcess } from '../../../dev/src/workloads.ts';
import { compileProtos, testFolder } from './compile.ts';
import { GrpcClient } from './grpc-client.ts';

const workloads = ['edge', 'desk', 'shelf'] as const;
/** What has an Envoy of its own: the workloads, the shelf's second one. */
export type Place = (typeof workloads)[number] | 'shelf-2';
/** Where callers reach the second one. */
export const secondShelf = 'unix:run/shelf-2.in.sock';
export const firstShelf = 'unix:run/shelf.in.sock';

/** A topology as it is written, in parts that are put over the ones of test.yaml. */
export type TopologyParts = Readonly<Record<string, object>>;

export class ReplicaMesh {
  readonly edgePort: number;
  readonly tokens: TokenMint;
  readonly state: string;
  readonly #supervisor: Supervisor;
  readonly #clients: GrpcClient[] = [];

  private constructor(state: string, edgePort: number, tokens: TokenMint) {
    this.state = state;
    this.edgePort = edgePort;
    this.tokens = tokens;
    this.#supervisor = new Supervisor({ stateFolder: state, report: () => {} });
  }

  /**
   * Starts the Envoys. `services` is called before, with where each service has to listen; what it starts is the caller's to end.
   * `edit` may change the text of a bootstrap where a test cannot wait for what is generated.
   */
  static async start(
    parts: TopologyParts,
    services: (socketOf: (place: Place) => string) => Promise<void>,
    edit: (text: string) => string = (text) => text,
  ) {
    const state = mkdtempSync(join(tmpdir(), 'weft-replicas-'));
    let mesh: ReplicaMesh | undefined;
    try {
      for (const folder of ['run', 'logs']) mkdirSync(join(state, folder));
      await ensureCertificates(state, workloads);
      const ports = await choosePorts('free');
      mesh = new ReplicaMesh(state, ports.edge, await TokenMint.open(state));
      await services((place) => join(state, `run/${place}.app.sock`));
      const bootstraps = writeBootstraps(state, ports.edge, ports.otlp, parts, edit);
      const binary = await envoyBinary();
      for (const [place, bootstrap] of bootstraps) {
        await mesh.#supervisor.start(envoyProcess({ stateFolder: state, ports }, place, binary, bootstrap));
      }
      for (const place of ['edge', 'desk'] as const) await mesh.reachesAll(place);
      return mesh;
    } catch (error) {
      await mesh?.stop();
      rmSync(state, { recursive: true, force: true });
      throw error;
    }
  }

  /** As the desk's service calls out. */
  callerAtDesk(): GrpcClient {
    return this.#keep(GrpcClient.overSocket(join(this.state, 'run/desk.out.sock'), 'shelf'));
  }

  /** As a stranger calls in. */
  stranger(): GrpcClient {
    return this.#keep(GrpcClient.overTcp(this.edgePort));
  }

  /** What an Envoy says of the statistics that match, by name. */
  async stats(place: Place, filter: string): Promise<Map<string, number>> {
    const { body } = await askSocket(this.#adminOf(place), `/stats?filter=${encodeURIComponent(filter)}`);
    return new Map([...body.matchAll(/^(.+): (\d+)$/gm)].map(([, name = '', value]) => [name, Number(value)]));
  }

  /** From now on its callers learn that it is about to go. */
  async turnAway(place: Place): Promise<void> {
    await askSocket(this.#adminOf(place), '/healthcheck/fail', { method: 'POST' });
  }

  async stopEnvoy(place: Place): Promise<void> {
    await this.#supervisor.stop(envoyName(place));
  }

  async startEnvoy(place: Place): Promise<void> {
    await this.#supervisor.startAgain(envoyName(place));
  }

  /** Resolves when a caller knows `healthy` members in each of its clusters (default: all of them). */
  async reachesAll(place: Place): Promise<void> {
    const healthy = async () => {
      const stats = await this.stats(place, 'membership_(healthy|total)$');
      const totals = [...stats].filter(([name]) => name.endsWith('membership_total'));
      return (
        totals.length > 0 && totals.every(([name, count]) => stats.get(name.replace('total', 'healthy')) === count)
      );
    };
    await waitFor(`health of all that ${place} calls`, healthy, { withinMs: 20_000 });
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    this.#supervisor.killAll();
    await this.#supervisor.end();
    rmSync(this.state, { recursive: true, force: true, maxRetries: 3 });
  }

  #adminOf(place: Place): string {
    return join(this.state, `run/${place}.admin.sock`);
  }

  #keep(client: GrpcClient): GrpcClient {
    this.#clients.push(client);
    return client;
  }
}

/** Writes the bootstraps and returns their paths below the state folder, callees first. */
function writeBootstraps(
  state: string,
  edge: number,
  collector: number,
  parts: TopologyParts,
  edit: (text: string) => string,
): Map<Place, string> {
  const base = parse(readFileSync(join(testFolder, 'topologies/test.yaml'), 'utf8'));
  base.edge.listen = `127.0.0.1:${edge}`;
  base.tracing.collector = `127.0.0.1:${collector}`;
  const first = { ...base };
  for (const [key, part] of Object.entries(parts)) first[key] = { ...base[key], ...part };
  const second = { ...first, workloads: { ...parts.workloads, shelf: { ...shelfOf(parts), ...placeOf('shelf-2') } } };
  const topologies = Object.entries({ first, second: withoutCanaries(second) }).map(([name, topology]) => {
    return { name, file: `${name}.yaml`, text: stringify(topology) };
  });
  const files = compileProtos(join(testFolder, 'protos'), { topologies });
  const contents = new Map(files.map(({ name, content }) => [name, content]));
  const sources = { shelf: 'first/shelf', 'shelf-2': 'second/shelf', desk: 'first/desk', edge: 'first/edge' };
  return new Map(
    Object.entries(sources).map(([place, source]) => {
      writeFileSync(join(state, `${place}.yaml`), edit(contents.get(`envoy/${source}.yaml`) ?? ''));
      return [place as Place, `${place}.yaml`];
    }),
  );
}

const shelfOf = ({ workloads: own }: TopologyParts): object => (own as { shelf?: object } | undefined)?.shelf ?? {};

/** The shelf calls nobody, so its sidecar is the same with canaries and without; seen from the second one they are where it is. */
const withoutCanaries = ({ canaries: _, ...topology }: Record<string, unknown>) => topology;

const placeOf = (name: string) => ({
  inbound: `unix:run/${name}.in.sock`,
  outbound: `unix:run/${name}.out.sock`,
  app: `unix:run/${name}.app.sock`,
  admin: `unix:run/${name}.admin.sock`,
  access_log: `logs/${name}.access.log`,
});
