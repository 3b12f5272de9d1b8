/**
 * TLS for clients that reach a server without a sidecar.
 */

import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type ConnectionOptions, connect, createSecureContext, type TLSSocket } from 'node:tls';
import type { Address } from '../../address.ts';

/** Whom to trust, and how to show who calls. PEM throughout. */
export type ClientTls = {
  /** Who may have signed the server's certificate. Default: the authorities that Node trusts. */
  readonly ca?: string | Buffer;
  /** The certificate that the caller shows. Only with `key`. */
  readonly cert?: string | Buffer;
  /** The certificate's private key. Only with `cert`. */
  readonly key?: string | Buffer;
  /** The name that the server's certificate must have. Default: the host of the address. */
  readonly serverName?: string;
};

/**
 * Checks the options of TLS.
 *
 * @throws Error for what would fail at the first handshake.
 */
export function checkTls(tls: ClientTls): void {
  if (tls.cert !== undefined && tls.key === undefined) {
    throw new Error('tls.cert needs tls.key, the private key of that certificate: set it, or leave tls.cert out');
  }
  if (tls.key !== undefined && tls.cert === undefined) {
    throw new Error('tls.key needs tls.cert, the certificate of that key: set it, or leave tls.key out');
  }
  if (tls.ca !== undefined) {
    readCertificate('tls.ca', tls.ca);
  }
  if (tls.cert !== undefined && tls.key !== undefined) {
    const certificate = readCertificate('tls.cert', tls.cert);
    if (!certificate.checkPrivateKey(readKey(tls.key))) {
      throw new Error('tls.key is not the key of tls.cert: give the private key that belongs to the certificate');
    }
  }
}

function readCertificate(name: string, pem: string | Buffer): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new Error(`${name} is no certificate: give its PEM, which begins with -----BEGIN CERTIFICATE-----`, {
      cause: error,
    });
  }
}

function readKey(pem: string | Buffer) {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw new Error(
      'tls.key is no private key: give its PEM without a passphrase, which begins with -----BEGIN PRIVATE KEY-----',
      { cause: error },
    );
  }
}

/** Options of Node's for connecting. */
export function tlsOptions(address: Address, tls: ClientTls): ConnectionOptions {
  const host = address.kind === 'tcp' ? address.host : 'localhost';
  const serverName = tls.serverName ?? (isIP(host) === 0 ? host : undefined);
  return {
    ...(address.kind === 'unix' ? { path: address.path, host } : { host, port: address.port }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    secureContext: createSecureContext({
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(tls.cert === undefined ? {} : { cert: tls.cert }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
      minVersion: 'TLSv1.2',
    }),
  };
}

/** Opens connections for HTTP/2. What TLS needs is read once. */
export function dialTls(address: Address, tls: ClientTls): () => TLSSocket {
  const options = tlsOptions(address, tls);
  return () => {
    const socket = connect({ ...options, ALPNProtocols: ['h2'] });
    socket.setNoDelay(true);
    return socket;
  };
}

/** A text that is the same for the same options, and tells nothing of the key. */
export function tlsIdentity(tls: ClientTls): string {
  const hash = createHash('sha256');
  for (const part of [tls.ca, tls.cert, tls.key, tls.serverName]) {
    hash.update(part ?? '').update('\0');
  }
  return hash.digest('hex');
}
