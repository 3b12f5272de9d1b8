/** A certificate for a server in DNS, and the authority it is of: for what is no workload, and has no SPIFFE id. */
import { webcrypto } from 'node:crypto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const hourMs = 60 * 60 * 1000;

/** PEMs. */
export async function serverCertificate(
  name: string,
): Promise<{ identity: { certificate: string; privateKey: string }; trusted: string }> {
  const makeKeys = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const life = { notBefore: new Date(Date.now() - hourMs), notAfter: new Date(Date.now() + hourMs) };
  const [keys, keysOfAuthority] = [await makeKeys(), await makeKeys()];
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=Authority of servers',
    ...life,
    signingAlgorithm: algorithm,
    keys: keysOfAuthority,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  });
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'O=Server',
    issuer: authority.subject,
    ...life,
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: keysOfAuthority.privateKey,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
  });
  const privateKey = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    identity: {
      certificate: certificate.toString('pem'),
      privateKey: x509.PemConverter.encode(privateKey, 'PRIVATE KEY'),
    },
    trusted: authority.toString('pem'),
  };
}
