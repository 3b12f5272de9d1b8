/**
 * Each workload's certificate as its Envoy reads it: `certs/<workload>/current` is a link to a generation that holds
 * `identity.yaml` and `trust.yaml` (Envoy's file SDS, PEMs inline). A rotation writes a new generation and swaps the link,
 * so that Envoy never sees a key beside another key's certificate.
 */
import { X509Certificate } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type CertificateAuthority, type Identity, spiffeId } from './authority.ts';
import { writeSecret } from './secrets.ts';

const leafDays = 30;
const secretType = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

/** Sees to it that each workload has a certificate with at least a third of its life left. Returns those it renewed. */
export async function ensureCertificates(stateFolder: string, workloads: readonly string[]): Promise<string[]> {
  const due = workloads.filter((workload) => isDue(stateFolder, workload));
  for (const workload of due) await rotate(stateFolder, workload);
  return due;
}

/** Gives a workload a new certificate; Envoys that run take it up at once. */
export async function rotate(stateFolder: string, workload: string): Promise<void> {
  const authority = await openAuthority(stateFolder);
  const identity = await authority.mint({ uri: spiffeId(workload), days: leafDays });
  installIdentity(stateFolder, workload, identity, authority.certificate);
}

/**
 * Makes `identity` the one that a workload shows, and `trusted` (PEM) the roots that it believes. Tests use it to install
 * what must be refused.
 */
export function installIdentity(stateFolder: string, workload: string, identity: Identity, trusted: string): void {
  const folder = join(stateFolder, 'certs', workload);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const before = currentGeneration(folder);
  const generation = nextGeneration(folder);
  const target = join(folder, generation);
  mkdirSync(target, { mode: 0o700 });
  const files = {
    'tls.crt': identity.certificate,
    'tls.key': identity.privateKey,
    'ca.crt': trusted,
    'identity.yaml': secret('identity', {
      tls_certificate: {
        certificate_chain: { inline_string: identity.certificate },
        private_key: { inline_string: identity.privateKey },
      },
    }),
    'trust.yaml': secret('trust', { validation_context: { trusted_ca: { inline_string: trusted } } }),
  };
  for (const [name, content] of Object.entries(files)) writeSecret(join(target, name), content);
  const draft = join(folder, 'current.new');
  rmSync(draft, { force: true });
  symlinkSync(generation, draft);
  renameSync(draft, join(folder, 'current'));
  // The generation before stays: an Envoy that is reading it just now must not find it gone.
  for (const name of readdirSync(folder)) {
    if (name !== 'current' && name !== generation && name !== before) rmSync(join(folder, name), { recursive: true });
  }
}

/** The development CA of a state folder. The library that signs is loaded only when something is signed: a warm start is not. */
export async function openAuthority(stateFolder: string): Promise<CertificateAuthority> {
  const { CertificateAuthority: Authority } = await import('./authority.ts');
  return Authority.open(join(stateFolder, 'certs', 'ca'));
}

function isDue(stateFolder: string, workload: string): boolean {
  const folder = join(stateFolder, 'certs', workload, 'current');
  try {
    const leaf = new X509Certificate(readFileSync(join(folder, 'tls.crt')));
    const root = new X509Certificate(readFileSync(join(stateFolder, 'certs', 'ca', 'ca.crt')));
    if (!leaf.verify(root.publicKey) || leaf.subjectAltName !== `URI:${spiffeId(workload)}`) return true;
    for (const name of ['identity.yaml', 'trust.yaml']) lstatSync(join(folder, name));
    const [begin, end] = [leaf.validFromDate.getTime(), leaf.validToDate.getTime()];
    return end - Date.now() < (end - begin) / 3;
  } catch {
    return true;
  }
}

function secret(name: string, content: object): string {
  return stringify({ resources: [{ '@type': secretType, name, ...content }] });
}

function currentGeneration(folder: string): string | undefined {
  try {
    return readlinkSync(join(folder, 'current'));
  } catch {
    return undefined;
  }
}

/** Generations count up; a number is not used twice while anyone may still look at it. */
function nextGeneration(folder: string): string {
  const numbers = readdirSync(folder)
    .map((name) => Number.parseInt(name, 10))
    .filter(Number.isFinite);
  return String(Math.max(0, ...numbers) + 1).padStart(6, '0');
}
