/**
 * Stops a server without failing a call: say so, stop taking calls, let the running ones finish, and only then insist.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { Health } from '../health.ts';
import { log } from '../log.ts';
import type { Acceptor } from './accept.ts';
import type { Port } from './port.ts';

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
  readonly port: Port;
  readonly acceptor: Acceptor;
  readonly health: Health;
};

/** Drains; when it resolves the server no longer listens, and no connection is open. */
export async function drain({ port, acceptor, health }: Drainable, options: DrainOptions): Promise<void> {
  health.stopServing();
  await delay(options.noticeMs);

  const budgetEnd = Date.now() + options.budgetMs;
  const closed = new Promise<void>((resolve) => port.server.once('close', resolve));
  acceptor.endStreams();
  port.retire();

  if (await within(closed, budgetEnd - Date.now())) {
    return;
  }
  log.warn('calls are ended that did not finish in time', {
    calls: [...acceptor.openCalls].map(({ rpc }) => rpc),
  });
  acceptor.endAll();
  if (await within(closed, FAREWELL_MS)) {
    return;
  }
  port.cut();
  await closed;
}

/** Whether a promise settles within some milliseconds. */
async function within(promise: Promise<void>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  const late = delay(Math.max(0, ms), false, { signal: timer.signal }).catch(() => false);
  const inTime = await Promise.race([promise.then(() => true), late]);
  timer.abort();
  return inTime;
}
