/**
 * The connections of this process to what it calls, by address. Behind a sidecar there is one address, its outbound listener: the
 * sidecar balances and retries, and the callee is named by the authority of each request.
 */

import { type Address, dial, formatAddress } from '../address.ts';
import { type ClientTls, dialTls, tlsIdentity } from './session/dial-tls.ts';
import type { SessionOptions } from './session/session-options.ts';
import { SessionPool } from './session/session-pool.ts';

const pools = new Map<string, SessionPool>();
/** What else holds connections, and is closed with them. */
const closers = new Set<() => void>();

/** The connections to an address, shared by all who ask for the same. */
export function poolTo(address: Address, tls: ClientTls | undefined, options: SessionOptions): SessionPool {
  const key = JSON.stringify([formatAddress(address), tls === undefined ? '' : tlsIdentity(tls), options]);
  let pool = pools.get(key);
  if (pool === undefined) {
    const createConnection = tls === undefined ? () => dial(address) : dialTls(address, tls);
    pool = new SessionPool({ createConnection, isTls: tls !== undefined }, options);
    pools.set(key, pool);
  }
  return pool;
}

/** Has `close` called by `closeEgress`. */
export function onCloseEgress(close: () => void): void {
  closers.add(close);
}

/** Closes the shared connections, for the end of a process. Calls that are open fail. */
export function closeEgress(): void {
  for (const pool of pools.values()) {
    pool.close();
  }
  for (const close of closers) {
    close();
  }
}
