/**
 * Connections for HTTP/1.1, to one address whatever the URL of a request says.
 */

import { Agent } from 'node:http';
import { Agent as SecureAgent } from 'node:https';
import { connect as tlsConnect } from 'node:tls';
import { type Address, dial } from '../../address.ts';
import { type ClientTls, tlsOptions } from './dial-tls.ts';
import type { SessionOptions } from './session-options.ts';

/** An agent that keeps connections to an address. */
export function makeAgent(address: Address, tls: ClientTls | undefined, options: SessionOptions): Agent {
  const bounds = { keepAlive: true, maxSockets: options.maxStreams, timeout: options.idleMs };
  const agent = tls === undefined ? new Agent(bounds) : new SecureAgent(bounds);
  const secure = tls === undefined ? undefined : tlsOptions(address, tls);
  agent.createConnection = () =>
    secure === undefined ? dial(address) : tlsConnect({ ...secure, ALPNProtocols: ['http/1.1'] });
  return agent;
}
