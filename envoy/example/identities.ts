/**
 * Identities to try things with: a certificate authority, a certificate with a SPIFFE id for each workload, and a token with its
 * key set. In earnest these come from SPIRE, cert-manager or the like, and from your identity provider; Envoy reads the same files.
 */
import { generateKeyPairSync, sign, webcrypto } from 'node:crypto';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
// @peculiar/x509 asks for this before it is loaded.
import 'reflect-metadata';
import { BasicConstraintsExtension, SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const makeKeys = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);

const authorityKeys = await makeKeys();
const authority = await X509CertificateGenerator.createSelfSigned({
  name: 'CN=Tea authority',
  keys: authorityKeys,
  extensions: [new BasicConstraintsExtension(true, 0, true)],
});
for (const workload of ['edge', 'menu', 'counter']) {
  const keys = await makeKeys();
  const certificate = await X509CertificateGenerator.create({
    subject: 'O=Tea',
    issuer: authority.subject,
    publicKey: keys.publicKey,
    signingKey: authorityKeys.privateKey,
    extensions: [new SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://tea.example/${workload}` }])],
  });
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  writeSecret(workload, 'identity', {
    tls_certificate: {
      certificate_chain: { inline_string: certificate.toString('pem') },
      private_key: { inline_string: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n` },
    },
  });
  writeSecret(workload, 'trust', {
    validation_context: { trusted_ca: { inline_string: authority.toString('pem') } },
  });
  // Envoy watches this link: to rotate, write another folder and swap it.
  rmSync(`certs/${workload}/current`, { force: true });
  symlinkSync('1', `certs/${workload}/current`);
}

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = { kid: 'tea', alg: 'ES256' };
writeFileSync('jwks.json', JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), ...key }] }));
const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
const claims = { iss: 'https://tea.example', aud: 'tea', sub: 'ada', scope: 'tea:brew', exp: inAnHour() };
const signed = `${encode({ ...key, typ: 'JWT' })}.${encode(claims)}`;
const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
writeFileSync('token.txt', `${signed}.${signature.toString('base64url')}`, { mode: 0o600 });

/** One secret as Envoy's file SDS reads it: YAML, of which JSON is a part. */
function writeSecret(workload: string, name: string, secret: object): void {
  const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
  const text = JSON.stringify({ resources: [{ '@type': type, name, ...secret }] });
  mkdirSync(`certs/${workload}/1`, { recursive: true, mode: 0o700 });
  writeFileSync(`certs/${workload}/1/${name}.yaml`, text, { mode: 0o600 });
}

function inAnHour(): number {
  return Math.floor(Date.now() / 1000) + 3600;
}
