/**
 * Reads `edge.token.jwks` and what goes with it: the keys that tokens are verified with.
 *
 * ```yaml
 * token:
 *   issuer: https://login.example
 *   audience: shop
 *   # A file, or the address of a JSON Web Key Set (RFC 7517).
 *   jwks: https://login.example/.well-known/jwks.json
 *   # For an address: how old keys may get, 1 to 3600; default 60.
 *   jwks_refresh_seconds: 60
 *   # For https: the authorities that the server's certificate may be of, a PEM file; default the system's on Debian.
 *   jwks_trusted_ca: /etc/ssl/certs/ca-certificates.crt
 * ```
 *
 * A file is read again when it is replaced by a rename within its folder (which is also what Kubernetes does to a mounted
 * ConfigMap), and the keys are in use a second later at most. Written over in place, it is not read again.
 *
 * Rotation without a refused token: publish the new key beside the old one; sign with it when it has been there for longer than keys
 * may get old; remove the old one when its last token has expired. Removing it refuses its tokens as soon as the set is read.
 *
 * What cannot be read changes nothing: the last good set stays in use for as long as Envoy runs. Without any set so far, calls with a
 * token are answered UNAVAILABLE, and calls that need none are let through. `http` is for networks that are trusted: who can
 * answer in the server's place can sign tokens.
 */
import type { Section } from './section.ts';
import type { Address, KeySet } from './topology.ts';

const systemTrust = '/etc/ssl/certs/ca-certificates.crt';
const defaultRefreshSeconds = 60;
const hostPattern = /^[a-z0-9._-]+$/;
const forAddresses = ['jwks_refresh_seconds', 'jwks_trusted_ca'];

/** The key set that `token` names. `admin` is the edge's admin socket, beside which it serves a file to itself. */
export function readKeySet(token: Section, admin: Address): KeySet {
  const text = token.text('jwks');
  const refreshSeconds = token.optionalWhole('jwks_refresh_seconds', 1, 3600) ?? defaultRefreshSeconds;
  const trustedCa = token.has('jwks_trusted_ca') ? token.text('jwks_trusted_ca') : systemTrust;
  if (!text.includes('://')) {
    for (const key of forAddresses) {
      if (token.has(key)) token.problem(undefined, `${key} says nothing of a file`, `Remove ${key}`);
    }
    return readFile(token, text, admin);
  }
  const url = URL.parse(text);
  const isWeb = url !== null && ['http:', 'https:'].includes(url.protocol) && hostPattern.test(url.hostname);
  if (!isWeb || url.username !== '' || url.password !== '' || url.hash !== '') {
    const mend = 'Write a file, or http(s)://<host>[:<port>]/<path> without user and fragment';
    token.problem(undefined, `"${text}" of jwks is no address of a key set`, mend);
    return { kind: 'file', path: text, servedAt: admin };
  }
  if (!Number.isInteger(refreshSeconds))
    token.problem(undefined, 'jwks_refresh_seconds is not a whole number', 'Write whole seconds');
  const tls = url.protocol === 'https:';
  if (!tls && token.has('jwks_trusted_ca'))
    token.problem(undefined, 'jwks_trusted_ca says nothing of http', 'Remove it, or write https');
  const server = { host: url.hostname, port: Number(url.port) || (tls ? 443 : 80) };
  return {
    kind: 'url',
    url: url.href,
    server: { kind: 'tcp', ...server },
    trustedCa: tls ? trustedCa : undefined,
    refreshSeconds,
  };
}

function readFile(token: Section, path: string, admin: Address): KeySet {
  if (admin.kind === 'unix') return { kind: 'file', path, servedAt: { kind: 'unix', path: `${admin.path}.keys` } };
  const mend = 'Write unix:<path> as workload.admin: the edge serves the file to itself beside its admin socket';
  token.problem(undefined, 'jwks is a file, and the admin interface of the edge is no Unix socket', mend);
  return { kind: 'file', path, servedAt: admin };
}
