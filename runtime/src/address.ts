/**
 * Where a process listens or dials: a Unix socket (`unix:run/inventory.app.sock`) or TCP (`127.0.0.1:9000`).
 */

import { connect, type Socket } from 'node:net';

/** A parsed address. */
export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** Longest path that the kernel takes for a Unix socket, in bytes, its ending zero left out. */
const UNIX_PATH_MAX_BYTES = 107;
const TCP = /^(?<host>\[[^\]]+\]|[^:[\]]+):(?<port>\d{1,5})$/;

/**
 * Reads `unix:path` or `host:port` (`[::1]:9000` for IPv6).
 *
 * @throws Error that says what is wrong with the text and what it should look like.
 */
export function parseAddress(text: string): Address {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    const bytes = Buffer.byteLength(path);
    if (bytes === 0 || bytes > UNIX_PATH_MAX_BYTES) {
      throw new Error(
        `"${text}" is no address: the path of a Unix socket has 1 to ${UNIX_PATH_MAX_BYTES} bytes and this one has ${bytes}; use a path relative to the working directory`,
      );
    }
    return { kind: 'unix', path };
  }
  const { host, port } = TCP.exec(text)?.groups ?? {};
  if (host === undefined || port === undefined || Number(port) > 65_535) {
    throw new Error(`"${text}" is no address: write unix:<path> or <host>:<port>, such as 127.0.0.1:9000`);
  }
  return { kind: 'tcp', host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/** The text that `parseAddress` reads. */
export function formatAddress(address: Address): string {
  if (address.kind === 'unix') {
    return `unix:${address.path}`;
  }
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Opens a connection to an address. */
export function dial(address: Address): Socket {
  return address.kind === 'unix'
    ? connect({ path: address.path })
    : connect({ host: address.host, port: address.port, noDelay: true });
}
