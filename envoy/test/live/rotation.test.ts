/**
 * Certificates that change while calls run: twenty rotations on both sides, a change of the authority, and what is refused after it.
 * On the real Envoy. Connections live for a second here, not for ten minutes, so that handshakes happen all the time.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CertificateAuthority, spiffeId } from '../../../dev/src/authority.ts';
import { installIdentity, openAuthority, rotate } from '../../../dev/src/certificates.ts';
import { waitFor } from '../../../dev/src/wait.ts';
import { type ClientIdentity, GrpcClient, headersSeen } from '../support/grpc-client.ts';
import { Load } from '../support/load.ts';
import { type Place, ReplicaMesh } from '../support/replicas.ts';
import { ScriptedService } from '../support/scripted-service.ts';

const shelf = 'acme.shelf.v1.ShelfService';
const withinMs = 20_000;
const workloads = ['edge', 'desk', 'shelf'] as const;
type Workload = (typeof workloads)[number];
const services = new Map<Place, ScriptedService>();
let mesh: ReplicaMesh;

beforeAll(async () => {
  const generated = 'max_connection_duration: 600s';
  mesh = await ReplicaMesh.start(
    {},
    async (socketOf) => {
      for (const place of ['shelf', 'shelf-2', 'desk'] as const)
        services.set(place, await ScriptedService.listen(socketOf(place)));
    },
    (text) => text.replaceAll(generated, 'max_connection_duration: 1s'),
  );
  expect(await readFileSync(join(mesh.state, 'shelf.yaml'), 'utf8')).toContain('max_connection_duration: 1s');
}, 60_000);
afterAll(async () => {
  await mesh?.stop();
  await Promise.all([...services.values()].map((service) => service.close()));
});

/** Calls of the desk that are never tried again once they were sent, and of strangers at the edge; each notes its caller's certificate. */
function startLoad(): { load: Load; certificates: Record<'desk' | 'edge', Set<string>> } {
  const certificates = { desk: new Set<string>(), edge: new Set<string>() };
  const clients = [
    ['desk', mesh.callerAtDesk(), `${shelf}/LendBook`],
    ['edge', mesh.stranger(), `${shelf}/GetBook`],
  ] as const;
  const load = Load.start(clients.length, async (worker) => {
    const [caller, client, rpc] = clients[worker % 2 === 0 ? 0 : 1];
    const answer = await client.call({ rpc });
    if (answer.status !== 0) throw new Error(`${caller}: ${answer.status} ${answer.message}`);
    certificates[caller].add(/Hash=([0-9a-f]+)/.exec(headersSeen(answer)['x-forwarded-client-cert'] ?? '')?.[1] ?? '');
  });
  return { load, certificates };
}

const fingerprint = (certificate: X509Certificate): string =>
  certificate.fingerprint256.replaceAll(':', '').toLowerCase();

/** The certificate that lies in a workload's folder. */
const installed = (workload: Workload): X509Certificate =>
  new X509Certificate(readFileSync(join(mesh.state, 'certs', workload, 'current/tls.crt')));

/** The certificate that the shelf's sidecar shows to whoever connects. */
function shown(): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const options = { path: join(mesh.state, 'run/shelf.in.sock'), ALPNProtocols: ['h2'], rejectUnauthorized: false };
    const socket = connect(options, () => {
      const certificate = socket.getPeerX509Certificate();
      socket.destroy();
      if (certificate) resolve(certificate);
      else reject(new Error('no certificate'));
    });
    socket.on('error', reject);
  });
}

const isShown = () =>
  waitFor('the new certificate', async () => fingerprint(await shown()) === fingerprint(installed('shelf')), {
    withinMs,
  });

test('twenty rotations of all three under load, without a failed call', async () => {
  const { load, certificates } = startLoad();
  for (let rotation = 0; rotation < 20; rotation += 1) {
    for (const workload of workloads) await rotate(mesh.state, workload);
    await isShown();
    for (const caller of ['desk', 'edge'] as const) {
      const seen = fingerprint(installed(caller));
      await waitFor(`the ${caller}'s new certificate`, () => certificates[caller].has(seen), { withinMs });
    }
    await load.more(20);
  }
  const { done, failures } = await load.stop();
  expect(failures).toEqual([]);
  expect(done).toBeGreaterThan(400);
  for (const caller of ['desk', 'edge'] as const) expect(certificates[caller].size).toBeGreaterThanOrEqual(20);
  for (const place of workloads) {
    const failed = await mesh.stats(place, 'key_rotation_failed$');
    expect([...failed.values()].every((count) => count === 0)).toBe(true);
  }
}, 180_000);

test('a new authority replaces the old one under load, and then the old one counts for nothing', async () => {
  const before = await openAuthority(mesh.state);
  const after = await CertificateAuthority.foreign();
  const both = before.certificate + after.certificate;
  const mint = (authority: CertificateAuthority, workload: Workload) =>
    authority.mint({ uri: spiffeId(workload), days: 1 });
  /** Gives each workload a certificate of `authority` and the trust `trusted`, and waits until it is used on either side. */
  const install = async (authority: CertificateAuthority, trusted: string) => {
    for (const workload of workloads) installIdentity(mesh.state, workload, await mint(authority, workload), trusted);
    await isShown();
    for (const caller of ['desk', 'edge'] as const) {
      const seen = fingerprint(installed(caller));
      await waitFor(`the ${caller}'s new certificate`, () => certificates[caller].has(seen), { withinMs });
    }
  };
  const { load, certificates } = startLoad();
  await install(before, both);
  await load.more(20);
  await install(after, both);
  await load.more(20);
  await install(after, after.certificate);
  await load.more(20);
  expect((await load.stop()).failures).toEqual([]);

  const connectAs = async (authority: CertificateAuthority) => {
    const identity: ClientIdentity = { ...(await mint(authority, 'desk')), trusted: both };
    const client = GrpcClient.overTls(join(mesh.state, 'run/shelf.in.sock'), 'shelf', identity);
    return client.call({ rpc: `${shelf}/GetBook` }).finally(() => client.close());
  };
  expect(await connectAs(after)).toMatchObject({ status: 0 });
  await expect(connectAs(before)).rejects.toThrow(/unknown ca|certificate/i);
  await expect(connectAs(await CertificateAuthority.foreign())).rejects.toThrow(/unknown ca|certificate/i);

  // The same the other way: callers do not speak to a callee whose authority they do not trust, on connections that were open or not.
  installIdentity(mesh.state, 'shelf', await mint(before, 'shelf'), after.certificate);
  await isShown();
  for (const [caller, client] of [
    ['desk', mesh.callerAtDesk()],
    ['edge', mesh.stranger()],
  ] as const) {
    const call = (script: string) => client.call({ rpc: `${shelf}/GetBook`, script });
    await waitFor(`that the ${caller} turns away`, async () => (await call('before')).status === 14, { withinMs });
    for (let i = 0; i < 10; i += 1) expect(await call(`revoked ${caller}`)).toMatchObject({ status: 14 });
    expect(services.get('shelf')?.withScript(`revoked ${caller}`)).toEqual([]);
  }
  installIdentity(mesh.state, 'shelf', await mint(after, 'shelf'), after.certificate);
  const client = mesh.callerAtDesk();
  await waitFor('recovery', async () => (await client.call({ rpc: `${shelf}/GetBook` })).status === 0, { withinMs });
}, 180_000);

test('a caller whose certificate is taken back loses the connection that it has open', async () => {
  const authority = await openAuthority(mesh.state);
  for (const workload of workloads) await rotate(mesh.state, workload);
  await isShown();
  const identity = { ...(await authority.mint({ uri: spiffeId('desk'), days: 1 })), trusted: authority.certificate };
  const client = GrpcClient.overTls(join(mesh.state, 'run/shelf.in.sock'), 'shelf', identity);
  const call = () => client.call({ rpc: `${shelf}/GetBook` });
  await waitFor('an open connection', async () => (await call()).status === 0, { withinMs });
  const other = await CertificateAuthority.foreign();
  installIdentity(mesh.state, 'shelf', await authority.mint({ uri: spiffeId('shelf'), days: 1 }), other.certificate);
  await waitFor(
    'the end of the connection',
    () =>
      call().then(
        () => false,
        () => true,
      ),
    { withinMs },
  );
  client.close();
  await rotate(mesh.state, 'shelf');
}, 60_000);
