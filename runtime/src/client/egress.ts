/**
 * The connections of this process to what it calls, by address. Behind a sidecar there is one address, its outbound listener: the
 * sidecar balances and retries, and the callee is named by the authority of each request.
 */

import type { Agent } from 'node:http';
import { type Address, dial, formatAddress } from '../address.ts';
import { makeAgent } from './session/agent.ts';
import { type ClientTls, dialTls, tlsIdentity } from './session/dial-tls.ts';
import type { SessionOptions } from './session/session-options.ts';
import { SessionPool } from './session/session-pool.ts';

const pools = new Map<string, SessionPool>();
const agents = new Map<string, Agent>();

/** The connections to an address over HTTP/2, shared by all who ask for the same. */
export function poolTo(address: Address, tls: ClientTls | undefined, options: SessionOptions): SessionPool {
  return shared(pools, [address, tls, options], () => {
    const createConnection = tls === undefined ? () => dial(address) : dialTls(address, tls);
    return new SessionPool({ createConnection, isTls: tls !== undefined }, options);
  });
}

/** The connections to an address over HTTP/1.1, shared likewise. */
export function agentTo(address: Address, tls: ClientTls | undefined, options: SessionOptions): Agent {
  return shared(agents, [address, tls, options], () => makeAgent(address, tls, options));
}

type Target = readonly [Address, ClientTls | undefined, SessionOptions];

function shared<T>(all: Map<string, T>, [address, tls, options]: Target, make: () => T): T {
  const key = JSON.stringify([formatAddress(address), tls === undefined ? '' : tlsIdentity(tls), options]);
  let one = all.get(key);
  if (one === undefined) {
    one = make();
    all.set(key, one);
  }
  return one;
}

/** Closes the shared connections, for the end of a process. Calls that are open fail. */
export function closeEgress(): void {
  for (const pool of pools.values()) {
    pool.close();
  }
  for (const agent of agents.values()) {
    agent.destroy();
  }
}
