/**
 * Stops a server without failing a call: say so, stop taking calls, let the running ones finish, and only then insist.
 */

import { constants, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import type { Health } from '../health.ts';
import { log } from '../log.ts';
import type { Acceptor } from './accept.ts';

/** How long each step of a drain may take. */
export type DrainOptions = {
  /** Between NOT_SERVING and the end of listening, in milliseconds: time for callers to turn away. Default 100. */
  readonly noticeMs: number;
  /** For running calls to finish, in milliseconds, counted from the end of listening. Default 10,000. */
  readonly budgetMs: number;
};

export const DEFAULT_DRAIN: DrainOptions = { noticeMs: 100, budgetMs: 10_000 };

/** For answers that say SERVER_STOPPING to leave, once the budget is used up. */
const FAREWELL_MS = 500;

/** A server and what hangs on it. */
export type Drainable = {
  readonly server: Http2Server;
  readonly sessions: ReadonlySet<ServerHttp2Session>;
  readonly acceptor: Acceptor;
  readonly health: Health;
};

/** Drains; when it resolves the server no longer listens, and no connection is open. */
export async function drain({ server, sessions, acceptor, health }: Drainable, options: DrainOptions): Promise<void> {
  health.stopServing();
  await delay(options.noticeMs);

  const budgetEnd = Date.now() + options.budgetMs;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  acceptor.endStreams();
  for (const session of sessions) {
    // GOAWAY: a call that crosses it on the way was not begun, and its caller may safely repeat it elsewhere.
    session.close();
  }

  if (await within(closed, budgetEnd - Date.now())) {
    return;
  }
  log.warn('calls are ended that did not finish in time', {
    calls: [...acceptor.openCalls].map(({ call }) => call.rpc),
  });
  acceptor.endAll();
  if (await within(closed, FAREWELL_MS)) {
    return;
  }
  closeNow(sessions);
  await closed;
}

/** Cuts every connection. */
export function closeNow(sessions: ReadonlySet<ServerHttp2Session>): void {
  for (const session of sessions) {
    session.destroy(undefined, constants.NGHTTP2_CANCEL);
  }
}

/** Whether a promise settles within some milliseconds. */
async function within(promise: Promise<void>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  const late = delay(Math.max(0, ms), false, { signal: timer.signal }).catch(() => false);
  const inTime = await Promise.race([promise.then(() => true), late]);
  timer.abort();
  return inTime;
}
