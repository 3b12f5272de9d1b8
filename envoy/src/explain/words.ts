/** Policies in words, for people who do not know Envoy's names for them. */
import type { Method, RateLimit, RetryCode } from '../contract/contract.ts';
import { formatMs } from '../contract/duration.ts';

const codes: Readonly<Record<RetryCode, string>> = {
  UNAVAILABLE: 'UNAVAILABLE (not reached, or stopping)',
  CANCELLED: 'CANCELLED (the callee gave up)',
  DEADLINE_EXCEEDED: 'DEADLINE_EXCEEDED (a try was too slow)',
  INTERNAL: 'INTERNAL (the callee failed)',
};

/** How often a failed call is tried, and when. */
export function triesInWords({ retry }: Pick<Method, 'retry'>): string {
  if (!retry) return 'once; up to 3 times while nothing was sent to the callee yet (no connection, refused stream)';
  const each = retry.perTryTimeoutMs === undefined ? '' : `, ${formatMs(retry.perTryTimeoutMs)} each`;
  const answers = retry.codes.map((code) => codes[code]).join(', ');
  return `up to ${retry.maxAttempts}${each}; again when the connection fails or breaks, or the answer is ${answers}`;
}

/** How long a call may last. */
export function deadlineInWords({ limits }: Pick<Method, 'limits'>): string {
  if (limits.kind === 'unary')
    return `${formatMs(limits.deadlineMs)}, all tries included; less when the client asks for less`;
  return `a stream: silent for ${formatMs(limits.idleTimeoutMs)} at most, ended after ${formatMs(limits.maxDurationMs)}`;
}

/** `5 requests a second, 10 at once`. */
export const rateInWords = ({ requestsPerSecond, burst }: RateLimit): string =>
  `${requestsPerSecond} request${requestsPerSecond === 1 ? '' : 's'} a second, ${burst} in a burst`;

/** `a`, `a or b`, `a, b or c`. */
export function alternatives(words: readonly string[]): string {
  const [last = '', ...others] = [...words].reverse();
  return others.length === 0 ? last : `${others.reverse().join(', ')} or ${last}`;
}
