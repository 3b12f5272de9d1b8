/**
 * The one connection to the sidecar's outbound listener, shared by all clients of a process. The sidecar balances and
 * retries; the callee is named by the authority of each request.
 */

import type { ClientSessionOptions, OutgoingHttpHeaders } from 'node:http2';
import { Http2SessionManager } from '@connectrpc/connect-node';
import { type Address, dial, formatAddress } from '../address.ts';

/** Closed after this long without a call, in milliseconds: below the sidecar's own limit, so that it never closes under a call. */
const IDLE_MAX_MS = 240_000;
/** A connection that was silent this long is checked by a PING before it is used, in milliseconds. */
const PING_AFTER_MS = 30_000;
const PING_TIMEOUT_MS = 5_000;
/** Largest block of answer headers, in bytes: room for an error's details. */
const HEADER_MAX_BYTES = 64 * 1024;

const shared = new Map<string, Http2SessionManager>();

function sharedManager(egress: Address): Http2SessionManager {
  const key = formatAddress(egress);
  let manager = shared.get(key);
  if (manager === undefined) {
    const nodeOptions: ClientSessionOptions = {
      createConnection: () => dial(egress),
      settings: { maxHeaderListSize: HEADER_MAX_BYTES, enablePush: false },
    };
    manager = new Http2SessionManager(
      'http://egress',
      { idleConnectionTimeoutMs: IDLE_MAX_MS, pingIntervalMs: PING_AFTER_MS, pingTimeoutMs: PING_TIMEOUT_MS },
      nodeOptions,
    );
    shared.set(key, manager);
  }
  return manager;
}

/** A view of the shared connection from which every request names `workload` as its authority. */
export function sessionsTo(egress: Address, workload: string) {
  const manager = sharedManager(egress);
  return {
    authority: `http://${workload}`,
    request: (
      method: string,
      path: string,
      headers: OutgoingHttpHeaders,
      options: Parameters<Http2SessionManager['request']>[3],
    ) => manager.request(method, path, { ...headers, ':authority': workload }, options),
    notifyResponseByteRead: (stream: Parameters<Http2SessionManager['notifyResponseByteRead']>[0]) =>
      manager.notifyResponseByteRead(stream),
  };
}

/** Closes the shared connections, for the end of a process. Calls that are open fail. */
export function closeEgress(): void {
  for (const manager of shared.values()) {
    manager.abort();
  }
  shared.clear();
}
