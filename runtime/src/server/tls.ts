/**
 * TLS for a server that is reached without a sidecar.
 */

import { X509Certificate } from 'node:crypto';
import { createSecureContext, type TlsOptions } from 'node:tls';

/** The certificate that a server shows, and what it asks of its callers. PEM throughout. */
export type ServerTls = {
  /** The certificate, those that it was signed by after it. */
  readonly cert: string | Buffer;
  /** The certificate's private key. */
  readonly key: string | Buffer;
  /** Who may have signed a caller's certificate. Only with `clientCertificate`. */
  readonly ca?: string | Buffer;
  /** Whether callers show a certificate: `ignore` (the default), `request`, or `require`. */
  readonly clientCertificate?: 'ignore' | 'request' | 'require';
};

/**
 * Reads the options of TLS.
 *
 * @throws Error for what would fail at the first handshake: no certificate, a key of another certificate, one that has expired.
 */
export function readTls(tls: ServerTls): TlsOptions {
  const asks = tls.clientCertificate ?? 'ignore';
  if (tls.ca !== undefined && asks === 'ignore') {
    throw new Error(
      'tls.ca says who signs callers\' certificates, and tls.clientCertificate "ignore" does not look at them: set it to "request" or "require", or leave tls.ca out',
    );
  }
  if (tls.ca === undefined && asks === 'require') {
    throw new Error(
      'tls.clientCertificate "require" needs tls.ca, the certificate of who signs them: set it, or leave tls.clientCertificate out',
    );
  }
  const { notAfter, notBefore } = readCertificate(tls.cert);
  if (notAfter < new Date() || notBefore > new Date()) {
    throw new Error(
      `tls.cert is valid from ${notBefore.toISOString()} to ${notAfter.toISOString()}, not now: renew it`,
    );
  }
  const options: TlsOptions = {
    cert: tls.cert,
    key: tls.key,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    requestCert: asks !== 'ignore',
    rejectUnauthorized: asks === 'require',
    minVersion: 'TLSv1.2',
  };
  try {
    createSecureContext(options);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new Error(
      `tls.key cannot be used with tls.cert (${said}): give the PEM of the private key of that certificate`,
      {
        cause: error,
      },
    );
  }
  return options;
}

function readCertificate(pem: string | Buffer): { notBefore: Date; notAfter: Date } {
  try {
    const { validFromDate, validToDate } = new X509Certificate(pem);
    return { notBefore: validFromDate, notAfter: validToDate };
  } catch (error) {
    throw new Error('tls.cert is no certificate: give its PEM, which begins with -----BEGIN CERTIFICATE-----', {
      cause: error,
    });
  }
}
