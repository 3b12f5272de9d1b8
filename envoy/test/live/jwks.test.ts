/** The keys that tokens are verified with, from a file and from an address: rotated under load, and out of reach. On the real Envoy. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { CertificateAuthority } from '../../../dev/src/authority.ts';
import { writeSecret } from '../../../dev/src/secrets.ts';
import { audience, issuer, TokenMint } from '../../../dev/src/tokens.ts';
import { waitFor } from '../../../dev/src/wait.ts';
import type { GrpcClient } from '../support/grpc-client.ts';
import { Load } from '../support/load.ts';
import { ReplicaMesh } from '../support/replicas.ts';
import { ScriptedService } from '../support/scripted-service.ts';
import { serverCertificate } from '../support/server-certificate.ts';

const needsToken = 'acme.shelf.v1.ShelfService/BurnBook';
const open = 'acme.shelf.v1.ShelfService/GetBook';
const noKeys = { status: 14, message: 'tokens cannot be verified at the moment; try again' };
const withinMs = 20_000;

/** One signing key, and tokens signed with it. */
class Signer {
  readonly #mint: TokenMint;
  readonly key: object;

  private constructor(mint: TokenMint, key: object) {
    this.#mint = mint;
    this.key = key;
  }

  static async make(): Promise<Signer> {
    const folder = mkdtempSync(join(tmpdir(), 'weft-signer-'));
    try {
      const mint = await TokenMint.open(folder);
      return new Signer(mint, JSON.parse(readFileSync(join(folder, 'jwks.json'), 'utf8')).keys[0]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  async bearer(): Promise<{ authorization: string }> {
    return { authorization: `Bearer ${await this.#mint.mint({ scopes: ['books:burn'] })}` };
  }
}

const keySet = (...signers: Signer[]): string => JSON.stringify({ keys: signers.map(({ key }) => key) });

/** A server of key sets that says what it is told to, on one port all its life. */
class KeyServer {
  /** Absent: it fails with 500. */
  body: string | undefined;
  asked = 0;
  port = 0;
  #server: Server | undefined;

  async listen(): Promise<void> {
    this.#server = createServer((_, response) => {
      this.asked += 1;
      response.writeHead(this.body === undefined ? 500 : 200).end(this.body);
    });
    await new Promise<void>((resolve) => this.#server?.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  }
}

/** A mesh whose edge has its keys from `jwks`. */
async function startWithKeys(jwks: object): Promise<{ mesh: ReplicaMesh; stop(): Promise<void> }> {
  const services: ScriptedService[] = [];
  const token = { issuer, audience, ...jwks };
  const mesh = await ReplicaMesh.start({ edge: { token } }, async (socketOf) => {
    for (const place of ['shelf', 'shelf-2', 'desk'] as const)
      services.push(await ScriptedService.listen(socketOf(place)));
  });
  const stop = async () => {
    await mesh.stop();
    await Promise.all(services.map((service) => service.close()));
  };
  return { mesh, stop };
}

/** The status of a call with a token of `signer`. */
const statusOf = async (client: GrpcClient, signer: Signer): Promise<number> =>
  (await client.call({ rpc: needsToken, headers: await signer.bearer() })).status;

const isAnswered = (client: GrpcClient, signer: Signer, status: number) =>
  waitFor(`status ${status}`, async () => (await statusOf(client, signer)) === status, { withinMs });

/** Rotates three times under load as an issuer does, and expects no good token to be refused and no bad one to be let in. */
async function rotateThrice(mesh: ReplicaMesh, publish: (set: string) => void): Promise<void> {
  const client = mesh.stranger();
  let current = await Signer.make();
  publish(keySet(current));
  await isAnswered(client, current, 0);
  let headers = await current.bearer();
  const load = Load.start(2, async () => {
    const { status, message } = await client.call({ rpc: needsToken, headers });
    if (status !== 0) throw new Error(`${status} ${message}`);
  });
  const probe = mesh.stranger();
  for (let rotation = 0; rotation < 3; rotation += 1) {
    const next = await Signer.make();
    expect(await statusOf(probe, next)).toBe(16);
    await load.more(50);
    publish(keySet(current, next));
    await isAnswered(probe, next, 0);
    expect(await statusOf(probe, current)).toBe(0);
    headers = await next.bearer();
    // Those that are on their way still have the old one.
    await load.more(50);
    publish(keySet(next));
    await isAnswered(probe, current, 16);
    await load.more(50);
    for (let i = 0; i < 20; i += 1) expect(await statusOf(probe, current)).toBe(16);
    current = next;
  }
  expect(await load.stop()).toMatchObject({ failures: [] });
}

describe('keys from a file', () => {
  let mesh: ReplicaMesh;
  let stop: () => Promise<void>;
  beforeAll(async () => {
    ({ mesh, stop } = await startWithKeys({ jwks: 'jwks.json' }));
  }, 60_000);
  afterAll(() => stop?.());
  const publish = (set: string) => writeSecret(join(mesh.state, 'jwks.json'), set);

  test('are rotated three times under load without a refused call, and removed ones are refused', async () => {
    await rotateThrice(mesh, publish);
  }, 120_000);

  test('stay as they are while the file is damaged or gone', async () => {
    const client = mesh.stranger();
    const [good, next] = [await Signer.make(), await Signer.make()];
    publish(keySet(good));
    await isAnswered(client, good, 0);
    publish('{"keys": [');
    await fetchedAgain();
    expect(await statusOf(client, good)).toBe(0);
    expect(await statusOf(client, next)).toBe(16);
    rmSync(join(mesh.state, 'jwks.json'));
    await fetchedAgain();
    expect(await statusOf(client, good)).toBe(0);
    publish(keySet(next));
    await isAnswered(client, next, 0);
    expect(await statusOf(client, good)).toBe(16);
  });

  const fetchedAgain = async () => {
    const count = async () => {
      const counts = await mesh.stats('edge', 'jwt_authn.jwks_fetch_(success|failed)$');
      return [...counts.values()].reduce((sum, value) => sum + value, 0);
    };
    const before = await count();
    await waitFor('two more readings', async () => (await count()) >= before + 2, { withinMs });
  };
});

describe('keys from an address', () => {
  const server = new KeyServer();
  let first: Signer;
  let mesh: ReplicaMesh;
  let stop: () => Promise<void>;
  beforeAll(async () => {
    first = await Signer.make();
    await server.listen();
    await server.close(); // It keeps its port.
    const jwks = `http://127.0.0.1:${server.port}/keys.json`;
    ({ mesh, stop } = await startWithKeys({ jwks, jwks_refresh_seconds: 1 }));
  }, 60_000);
  afterAll(async () => {
    await stop?.();
    await server.close();
  });
  const publish = (set: string | undefined) => {
    server.body = set;
  };

  test('that nobody answers for at the start: tokens cannot be judged, the rest works, and it mends itself', async () => {
    const client = mesh.stranger();
    for (const signer of [first, await Signer.make()]) {
      expect(await client.call({ rpc: needsToken, headers: await signer.bearer() })).toMatchObject(noKeys);
    }
    expect(await client.call({ rpc: needsToken })).toMatchObject({ status: 16 });
    expect(await client.call({ rpc: open })).toMatchObject({ status: 0 });
    const connect = await fetch(`http://127.0.0.1:${mesh.edgePort}/${needsToken}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(await first.bearer()) },
      body: '{}',
    });
    expect([connect.status, await connect.json()]).toEqual([503, { code: 'unavailable', message: noKeys.message }]);
    publish(keySet(first));
    await server.listen();
    await isAnswered(client, first, 0);
    expect(await statusOf(client, await Signer.make())).toBe(16);
  });

  test('are rotated three times under load without a refused call, and removed ones are refused', async () => {
    await rotateThrice(mesh, publish);
  }, 120_000);

  test.each<[string, () => Promise<void> | void]>([
    ['is down', () => server.close()],
    ['fails', () => publish(undefined)],
    ['answers something else', () => publish('<html>')],
  ])('that are known stay in use while the server %s', async (_, breakIt) => {
    const client = mesh.stranger();
    const [good, bad] = [await Signer.make(), await Signer.make()];
    publish(keySet(good));
    await isAnswered(client, good, 0);
    await breakIt();
    onTestFinished(async () => {
      await server.close();
      await server.listen();
    });
    const failed = async () => (await mesh.stats('edge', 'jwt_authn.jwks_fetch_failed$')).values().next().value ?? 0;
    const before = await failed();
    await waitFor('three failures more', async () => (await failed()) >= before + 3, { withinMs });
    expect(await statusOf(client, good)).toBe(0);
    expect(await statusOf(client, bad)).toBe(16);
  });

  test('are not known any more to an edge that starts while the server is down', async () => {
    const good = await Signer.make();
    publish(keySet(good));
    await isAnswered(mesh.stranger(), good, 0);
    await server.close();
    await mesh.stopEnvoy('edge');
    await mesh.startEnvoy('edge');
    const client = mesh.stranger();
    await mesh.reachesAll('edge');
    expect(await client.call({ rpc: needsToken, headers: await good.bearer() })).toMatchObject(noKeys);
    await server.listen();
    await isAnswered(client, good, 0);
  });
});

describe('keys over https', () => {
  let stop: (() => Promise<void>) | undefined;
  let server: Server | undefined;
  afterEach(async () => {
    await stop?.();
    server?.close();
  });

  /** A mesh that wants its keys from `localhost` and trusts `authority`, and a server that shows `identity`. */
  async function startOverTls(signer: Signer, identity: { certificate: string; privateKey: string }, trusted: string) {
    const folder = mkdtempSync(join(tmpdir(), 'weft-ca-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'ca.pem'), trusted);
    const options = { cert: identity.certificate, key: identity.privateKey };
    server = createTlsServer(options, (_, response) => response.end(keySet(signer)));
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    const jwks = `https://localhost:${(server.address() as AddressInfo).port}/keys.json`;
    const keys = { jwks, jwks_refresh_seconds: 1, jwks_trusted_ca: join(folder, 'ca.pem') };
    const started = await startWithKeys(keys);
    stop = started.stop;
    return started.mesh;
  }

  test('come from a server that proves its name', async () => {
    const signer = await Signer.make();
    const { identity, trusted } = await serverCertificate('localhost');
    const mesh = await startOverTls(signer, identity, trusted);
    await isAnswered(mesh.stranger(), signer, 0);
  }, 60_000);

  test.each([
    ['another name', async () => serverCertificate('elsewhere.example')],
    [
      'a certificate of an authority that is not trusted',
      async () => ({
        identity: (await serverCertificate('localhost')).identity,
        trusted: (await CertificateAuthority.foreign()).certificate,
      }),
    ],
  ])(
    'are not taken from a server with %s',
    async (_, certificates) => {
      const signer = await Signer.make();
      const { identity, trusted } = await certificates();
      const mesh = await startOverTls(signer, identity, trusted);
      const failed = async () => (await mesh.stats('edge', 'cluster.key_set.ssl.fail_verify')).values();
      await waitFor('a refused handshake', async () => [...(await failed())].some((count) => count > 0), { withinMs });
      const answer = await mesh.stranger().call({ rpc: needsToken, headers: await signer.bearer() });
      expect(answer).toMatchObject(noKeys);
    },
    60_000,
  );
});
