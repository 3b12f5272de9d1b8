/** A second version of a workload: who gets to it, that retries stay with it, and what becomes of its calls while it is down. On the real Envoy. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { waitFor } from '../../../dev/src/wait.ts';
import { type GrpcClient, headersSeen } from '../support/grpc-client.ts';
import { type Place, ReplicaMesh, secondShelf } from '../support/replicas.ts';
import { ScriptedService } from '../support/scripted-service.ts';

const shelf = 'acme.shelf.v1.ShelfService';
const bearing = { 'x-canary': 'next' };
const header = { name: 'x-canary', value: 'next' };
/** As Envoy names them in its statistics. */
const clusters = ['shelf', 'shelf_canary'];

/** The mesh and the services behind both versions. */
class Versions {
  readonly mesh: ReplicaMesh;
  readonly #services: Map<Place, ScriptedService>;

  private constructor(mesh: ReplicaMesh, services: Map<Place, ScriptedService>) {
    this.mesh = mesh;
    this.#services = services;
  }

  static async start(canary: object): Promise<Versions> {
    const services = new Map<Place, ScriptedService>();
    const canaries = { shelf: { reached_at: [secondShelf], ...canary } };
    const mesh = await ReplicaMesh.start({ canaries }, async (socketOf) => {
      for (const place of ['shelf', 'shelf-2', 'desk'] as const)
        services.set(place, await ScriptedService.listen(socketOf(place)));
    });
    return new Versions(mesh, services);
  }

  /** How often either version saw a script. */
  seen(script: string): [first: number, second: number] {
    const count = (place: Place) => this.#services.get(place)?.withScript(script).length ?? 0;
    return [count('shelf'), count('shelf-2')];
  }

  /** Makes calls one after the other, all of which must be answered, and says where they arrived. */
  async arrivals(client: GrpcClient, script: string, count: number, headers: Record<string, string> = {}) {
    for (let i = 0; i < count; i += 1) {
      expect(await client.call({ rpc: `${shelf}/GetBook`, script, headers })).toMatchObject({ status: 0 });
    }
    return this.seen(script);
  }

  async stop(): Promise<void> {
    await this.mesh.stop();
    await Promise.all([...this.#services.values()].map((service) => service.close()));
  }
}

/** Both ways to the shelf. */
const callers = [
  ['the edge', 'edge', (mesh: ReplicaMesh) => mesh.stranger()],
  ["a caller's sidecar", 'desk', (mesh: ReplicaMesh) => mesh.callerAtDesk()],
] as const;

describe('a share and a header', () => {
  let versions: Versions;
  beforeAll(async () => {
    versions = await Versions.start({ percent: 20, header });
  }, 60_000);
  afterAll(() => versions?.stop());

  describe.each(callers)('at %s', (_, place, clientOf) => {
    let client: GrpcClient;
    beforeAll(() => {
      client = clientOf(versions.mesh);
    });

    test('about 20 of 100 calls go to the second version, and the statistics say so', async () => {
      const before = await totals();
      const [first, second] = await versions.arrivals(client, `share ${place}`, 400);
      expect(first + second).toBe(400);
      // Five standard deviations of the binomial distribution: one run in two million fails by chance.
      expect(second).toBeGreaterThan(80 - 40);
      expect(second).toBeLessThan(80 + 40);
      const counted = (await totals()).map((total, i) => total - (before[i] ?? 0));
      expect(counted).toEqual([first, second]);
    });

    const totals = async () => {
      const stats = await versions.mesh.stats(place, `^cluster\\.shelf.*\\.grpc\\.${shelf}.GetBook.total$`);
      return clusters.map((cluster) => stats.get(`cluster.${cluster}.grpc.${shelf}.GetBook.total`) ?? 0);
    };

    test('all that bear the header go there', async () => {
      expect(await versions.arrivals(client, `bearers ${place}`, 40, bearing)).toEqual([0, 40]);
    });

    test('another value is as good as none', async () => {
      const [first] = await versions.arrivals(client, `others ${place}`, 40, { 'x-canary': 'nexT' });
      expect(first).toBeGreaterThan(0);
    });

    test('every try of a call goes to the version of the first one', async () => {
      const script = `fail-first:2:14:bearer:${place}`;
      expect(await versions.arrivals(client, script, 1, bearing)).toEqual([0, 3]);
      const met = new Set<string>();
      for (let i = 0; i < 60; i += 1) {
        const seen = await versions.arrivals(client, `fail-first:1:14:${i}:${place}`, 1);
        expect(seen).toBeOneOf([
          [2, 0],
          [0, 2],
        ]);
        met.add(seen.join());
      }
      expect(met.size).toBe(2);
    });

    test('nobody else can choose, and the service does not learn of the choice', async () => {
      const forged = { 'x-weft-choice-shelf': '9999' };
      const [first] = await versions.arrivals(client, `forged ${place}`, 40, forged);
      expect(first).toBeGreaterThan(0);
      const seen = headersSeen(await client.call({ rpc: `${shelf}/GetBook`, headers: bearing }));
      expect(Object.keys(seen).filter((name) => name.startsWith('x-weft-choice'))).toEqual([]);
      expect(seen['x-canary']).toBe('next');
    });
  });

  test('a client has one bucket for both versions', async () => {
    const client = versions.mesh.stranger();
    const statuses: number[] = [];
    for (let i = 0; i < 10; i += 1) {
      const headers = i % 2 === 0 ? bearing : {};
      statuses.push((await client.call({ rpc: `${shelf}/BrowseBooks`, headers })).status);
    }
    // Three at once, and one a second: two buckets would have let six through.
    expect(statuses.filter((status) => status === 0).length).toBeLessThan(6);
  });

  test('browsers may send the header', async () => {
    const response = await fetch(`http://127.0.0.1:${versions.mesh.edgePort}/${shelf}/GetBook`, {
      method: 'OPTIONS',
      headers: { origin: 'http://localhost:5173', 'access-control-request-method': 'POST' },
    });
    expect(response.headers.get('access-control-allow-headers')?.split(',')).toContain('x-canary');
  });

  test('while the second version is down, its calls go to the first one', async () => {
    const { mesh } = versions;
    await mesh.stopEnvoy('shelf-2');
    for (const [, place, clientOf] of callers) {
      await changeTo(place, 1, [1, 0], clientOf(mesh));
      expect(await versions.arrivals(clientOf(mesh), `down ${place}`, 40, bearing)).toEqual([40, 0]);
    }
    await mesh.startEnvoy('shelf-2');
    for (const [, place, clientOf] of callers) {
      await changeTo(place, 2, [0, 1], clientOf(mesh));
      expect(await versions.arrivals(clientOf(mesh), `up ${place}`, 40, bearing)).toEqual([0, 40]);
    }
  });

  /** Envoy may act on a change of health up to a second after it has seen it. */
  const changeTo = async (place: Place, healthy: number, arrival: [number, number], client: GrpcClient) => {
    const options = { withinMs: 20_000 };
    const gauge = 'cluster.shelf_canary.membership_healthy';
    const isSeen = async () => (await versions.mesh.stats(place, gauge)).get(gauge) === healthy;
    await waitFor(`that ${place} sees ${healthy} healthy`, isSeen, options);
    let tries = 0;
    const isActedOn = async () => {
      const script = `change ${place} ${healthy} ${tries++}`;
      await client.call({ rpc: `${shelf}/GetBook`, script, headers: bearing });
      return versions.seen(script).join() === arrival.join();
    };
    await waitFor(`that ${place} acts on it`, isActedOn, options);
  };
});

describe('a header alone', () => {
  let versions: Versions;
  beforeAll(async () => {
    versions = await Versions.start({ percent: 0, header });
  }, 60_000);
  afterAll(() => versions?.stop());

  test.each(callers)('sends its bearers to the second version, and nobody else: %s', async (_, place, clientOf) => {
    const client = clientOf(versions.mesh);
    expect(await versions.arrivals(client, `none ${place}`, 200)).toEqual([200, 0]);
    expect(await versions.arrivals(client, `others ${place}`, 40, { 'x-canary': 'other' })).toEqual([40, 0]);
    expect(await versions.arrivals(client, `bearers ${place}`, 40, bearing)).toEqual([0, 40]);
  });
});

describe('a share alone', () => {
  let versions: Versions;
  beforeAll(async () => {
    versions = await Versions.start({ percent: 100 });
  }, 60_000);
  afterAll(() => versions?.stop());

  test.each(callers)('of all calls leaves none to the first version: %s', async (_, place, clientOf) => {
    expect(await versions.arrivals(clientOf(versions.mesh), `all ${place}`, 40)).toEqual([0, 40]);
  });
});
