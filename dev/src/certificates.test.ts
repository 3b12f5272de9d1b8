import { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { CertificateAuthority, type Identity, spiffeId } from './authority.ts';
import { ensureCertificates, installIdentity, openAuthority, rotate } from './certificates.ts';
import { scratchFolder } from './testing/scratch.ts';

const current = (folder: string, workload: string, file: string) =>
  readFileSync(join(folder, 'certs', workload, 'current', file), 'utf8');

/** The name that a server sees on a client's certificate; rejects when the handshake fails. */
async function peerName(server: Identity, client: Identity, trusted: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const listener = createServer(
    { cert: server.certificate, key: server.privateKey, ca: trusted, requestCert: true, rejectUnauthorized: false },
    (socket: TLSSocket) => {
      // Judged here rather than by the server's options, which tell nobody the reason.
      if (socket.authorized) resolve(socket.getPeerX509Certificate()?.subjectAltName ?? '');
      else reject(socket.authorizationError);
      socket.end();
    },
  );
  listener.on('tlsClientError', reject);
  onTestFinished(() => void listener.close());
  await new Promise<void>((listening) => listener.listen(0, '127.0.0.1', listening));
  const address = listener.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const options = {
    cert: client.certificate,
    key: client.privateKey,
    ca: trusted,
    checkServerIdentity: () => undefined,
  };
  const socket = connect({ host: '127.0.0.1', port, ...options });
  socket.on('error', reject);
  return promise;
}

describe('certificates', () => {
  test('lie where Envoy looks for them, readable by their owner only', async () => {
    const folder = scratchFolder();
    expect(await ensureCertificates(folder, ['edge', 'inventory'])).toEqual(['edge', 'inventory']);
    const leaf = new X509Certificate(current(folder, 'inventory', 'tls.crt'));
    expect(leaf.subjectAltName).toBe('URI:spiffe://weft.local/inventory');
    expect(leaf.ca).toBe(false);
    const identity = parse(current(folder, 'inventory', 'identity.yaml')).resources[0];
    expect(identity).toMatchObject({
      name: 'identity',
      tls_certificate: {
        certificate_chain: { inline_string: current(folder, 'inventory', 'tls.crt') },
        private_key: { inline_string: current(folder, 'inventory', 'tls.key') },
      },
    });
    const trust = parse(current(folder, 'inventory', 'trust.yaml')).resources[0];
    expect(trust).toMatchObject({
      name: 'trust',
      validation_context: { trusted_ca: { inline_string: current(folder, 'edge', 'ca.crt') } },
    });
    expect(statSync(join(folder, 'certs', 'inventory', 'current', 'tls.key')).mode & 0o777).toBe(0o600);
  });

  test('are kept while they are good, and made anew when damaged or of another authority', async () => {
    const folder = scratchFolder();
    await ensureCertificates(folder, ['edge', 'inventory']);
    expect(await ensureCertificates(folder, ['edge', 'inventory'])).toEqual([]);
    rmSync(join(folder, 'certs', 'edge', 'current', 'trust.yaml'));
    expect(await ensureCertificates(folder, ['edge', 'inventory'])).toEqual(['edge']);
    rmSync(join(folder, 'certs', 'ca'), { recursive: true });
    expect(await ensureCertificates(folder, ['edge', 'inventory'])).toEqual(['edge', 'inventory']);
  });

  test('are renewed when less than a third of their life is left', async () => {
    const folder = scratchFolder();
    const authority = await openAuthority(folder);
    // Of one that is about to expire, most of its life lies behind it.
    const old = await authority.mint({ uri: spiffeId('edge'), days: 0.2 });
    installIdentity(folder, 'edge', old, authority.certificate);
    expect(await ensureCertificates(folder, ['edge'])).toEqual(['edge']);
  });

  test('rotate by one swap of a link, and the generation before stays for who still reads it', async () => {
    const folder = scratchFolder();
    await ensureCertificates(folder, ['edge']);
    const link = join(folder, 'certs', 'edge', 'current');
    const generations = [readlinkSync(link)];
    for (let turn = 0; turn < 3; turn++) {
      await rotate(folder, 'edge');
      generations.push(readlinkSync(link));
    }
    expect(new Set(generations).size).toBe(4);
    expect(readdirSync(join(folder, 'certs', 'edge')).toSorted()).toEqual(
      [...generations.slice(-2), 'current'].toSorted(),
    );
    expect(existsSync(join(link, 'identity.yaml'))).toBe(true);
  });

  test('let two workloads know each other, and nobody who has expired or comes from elsewhere', async () => {
    const authority = await openAuthority(scratchFolder());
    const server = await authority.mint({ uri: spiffeId('inventory'), days: 1 });
    const mint = (days: number) => authority.mint({ uri: spiffeId('shipping'), days });
    const trusted = authority.certificate;
    expect(await peerName(server, await mint(1), trusted)).toBe('URI:spiffe://weft.local/shipping');
    await expect(peerName(server, await mint(-1), trusted)).rejects.toMatch(/EXPIRED/);
    const foreign = await (await CertificateAuthority.foreign()).mint({ uri: spiffeId('shipping'), days: 1 });
    await expect(peerName(server, foreign, trusted)).rejects.toMatch(/SIGNATURE|ISSUER/);
  });
});
