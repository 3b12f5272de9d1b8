/**
 * The development certificate authority: a self-signed ECDSA P-256 root that signs one SPIFFE certificate for each workload.
 * It can also sign certificates that must be refused (expired, another name), which tests need.
 */
import { webcrypto } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
// The library's dependency injection asks for this before it is loaded.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { writeSecret } from './secrets.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 24 * 60 * 60 * 1000;
const authorityDays = 3650;
/** Clocks of virtual machines run apart: a certificate is valid from a little before it was made. */
const clockSkewMs = 5 * 60 * 1000;

export const trustDomain = 'weft.local';

/** A certificate and its private key (PKCS #8), both PEM. */
export interface Identity {
  certificate: string;
  privateKey: string;
}

export interface MintOptions {
  /** The certificate's only name. */
  uri: string;
  /** Days from now until it expires; negative makes one that has expired. */
  days: number;
}

export class CertificateAuthority {
  readonly #certificate: x509.X509Certificate;
  readonly #key: CryptoKey;

  private constructor(certificate: x509.X509Certificate, key: CryptoKey) {
    this.#certificate = certificate;
    this.#key = key;
  }

  /** The authority kept in `folder`, made when there is none. */
  static async open(folder: string): Promise<CertificateAuthority> {
    const [certificateFile, keyFile] = [join(folder, 'ca.crt'), join(folder, 'ca.key')];
    if (existsSync(certificateFile) && existsSync(keyFile)) {
      const certificate = new x509.X509Certificate(readFileSync(certificateFile, 'utf8'));
      return new CertificateAuthority(certificate, await importKey(readFileSync(keyFile, 'utf8')));
    }
    const { authority, privateKey } = await CertificateAuthority.#make();
    writeSecret(keyFile, privateKey);
    writeSecret(certificateFile, authority.certificate);
    return authority;
  }

  /** An authority that nothing trusts and nobody keeps. */
  static async foreign(): Promise<CertificateAuthority> {
    return (await CertificateAuthority.#make()).authority;
  }

  static async #make(): Promise<{ authority: CertificateAuthority; privateKey: string }> {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=Weft development CA, O=Weft',
      ...validFor(authorityDays),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return {
      authority: new CertificateAuthority(certificate, keys.privateKey),
      privateKey: await exportKey(keys.privateKey),
    };
  }

  /** The root, PEM. */
  get certificate(): string {
    return pem(this.#certificate);
  }

  /** Signs a new certificate for a new key. */
  async mint({ uri, days }: MintOptions): Promise<Identity> {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.create({
      // No common name: the SPIFFE id is the one name.
      subject: 'O=Weft',
      issuer: this.#certificate.subject,
      ...validFor(days),
      signingAlgorithm: algorithm,
      publicKey: keys.publicKey,
      signingKey: this.#key,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth, x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension([{ type: 'url', value: uri }]),
        await x509.AuthorityKeyIdentifierExtension.create(this.#certificate),
      ],
    });
    return { certificate: pem(certificate), privateKey: await exportKey(keys.privateKey) };
  }
}

/** The SPIFFE id of a workload. */
export function spiffeId(workload: string): string {
  return `spiffe://${trustDomain}/${workload}`;
}

function validFor(days: number): { notBefore: Date; notAfter: Date } {
  const end = Date.now() + days * dayMs;
  return { notBefore: new Date(Math.min(Date.now(), end - dayMs) - clockSkewMs), notAfter: new Date(end) };
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem').trimEnd()}\n`;
}

async function exportKey(key: CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY').trimEnd()}\n`;
}

async function importKey(text: string): Promise<CryptoKey> {
  const [der] = x509.PemConverter.decode(text);
  if (der === undefined) throw new Error('the key of the development CA is not PEM');
  return webcrypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign']);
}
