/** Retries, at the caller's outbound listener or the edge, and nowhere else. */
import type { Method, RetryCode } from '../contract/contract.ts';
import { type BlockMap, extension, seconds } from './block.ts';

/** What Envoy calls the codes in `retry_on`, and the HTTP status under which Connect clients' calls fail with them. */
const codes: Readonly<Record<RetryCode, { token: string; httpStatus: number }>> = {
  UNAVAILABLE: { token: 'unavailable', httpStatus: 503 },
  CANCELLED: { token: 'cancelled', httpStatus: 499 },
  DEADLINE_EXCEEDED: { token: 'deadline-exceeded', httpStatus: 504 },
  INTERNAL: { token: 'internal', httpStatus: 500 },
};

/** Before the request was sent anywhere, trying again is safe for every RPC. */
const beforeItBegan = ['connect-failure', 'refused-stream', 'reset-before-request'];
const onAnyReset = ['connect-failure', 'refused-stream', 'reset'];
const triesBeforeItBegan = 3;

/** The `retry_policy` of a route. */
export function retryPolicy({ retry }: Pick<Method, 'retry'>): BlockMap {
  const tokens = retry
    ? [...onAnyReset, ...retry.codes.map((code) => codes[code].token), 'retriable-status-codes']
    : beforeItBegan;
  return {
    retry_on: tokens.join(','),
    retriable_status_codes: retry?.codes.map((code) => codes[code].httpStatus),
    num_retries: (retry?.maxAttempts ?? triesBeforeItBegan) - 1,
    per_try_timeout: retry?.perTryTimeoutMs === undefined ? undefined : seconds(retry.perTryTimeoutMs),
    retry_back_off: { base_interval: '0.025s', max_interval: '0.25s' },
    // A replica that is gone has the fewest requests, so it is drawn again and again: three times in four, of two.
    host_selection_retry_max_attempts: 20,
    retry_host_predicate: [
      extension(
        'retry_host_predicates.previous_hosts',
        'extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
      ),
    ],
  };
}
