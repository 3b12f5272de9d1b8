/**
 * Ends connections that nobody uses. By the timer wheel, since Node never clears the timer of a session that is destroyed, which then
 * keeps all that hangs on the session for as long as it would have been idle.
 */

import type { ServerHttp2Session } from 'node:http2';
import { timers, type WheelEntry } from '../timer-wheel.ts';
import type { Limits } from './limits.ts';
import type { SessionState } from './session-state.ts';

/**
 * Watches a connection: ends it when it does not speak HTTP/2 within `handshakeMaxMs`, and later when it was without a call for
 * `idleConnectionMs`, or up to twice that.
 *
 * @param hasOpenCalls whether calls of the connection are open, however quiet: those have limits of their own.
 */
export function endWhenIdle(
  session: ServerHttp2Session,
  state: SessionState,
  { limits, hasOpenCalls }: { readonly limits: Limits; readonly hasOpenCalls: (state: SessionState) => boolean },
): void {
  let hasSpoken = false;
  let callsSeen = 0;
  let entry: WheelEntry;
  const look = () => {
    if (!hasSpoken) {
      session.destroy();
    } else if (state.calls === callsSeen && !hasOpenCalls(state)) {
      session.close();
    } else {
      callsSeen = state.calls;
      entry = timers.schedule(limits.idleConnectionMs, look);
    }
  };
  entry = timers.schedule(limits.handshakeMaxMs, look);
  session.once('remoteSettings', () => {
    hasSpoken = true;
    callsSeen = -1;
  });
  session.once('close', () => entry.cancel());
}
