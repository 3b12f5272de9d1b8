/** A retry is safe, is one that Envoy can make, and fits into the deadline. */
import { MethodOptions_IdempotencyLevel as Idempotency } from '@bufbuild/protobuf/wkt';
import type { Retry } from '@weft/gen/weft/mesh/v1/options_pb.js';
import { type GovernedMethod, governedMethods, isStreaming } from '../contract/declared.ts';
import { toMs } from '../contract/duration.ts';
import type { Problem } from '../contract/problem.ts';
import { retryCodes } from '../contract/vocabulary.ts';
import { type Check, durationOutOfRange, outOfRange, problemAt, repeatedEntries } from './check.ts';

/** Applies `check` to each RPC that asks for retries. */
const forEachRetry =
  (check: (method: GovernedMethod, retry: Retry) => Problem[]): Check =>
  (contract) =>
    governedMethods(contract).flatMap((method) => (method.policy.retry ? check(method, method.policy.retry) : []));

export const retryIsSafe: Check = forEachRetry((method) => {
  if (method.desc.idempotency !== Idempotency.IDEMPOTENCY_UNKNOWN || method.requestIdRequired) return [];
  const message = `${method.fullName} is retried, but is neither idempotent nor has a required request_id`;
  const mend =
    'Set `option idempotency_level`, or give the request a `request_id` that (buf.validate.field) requires, or remove `retry`';
  return [problemAt(method, ['retry'], 'unsafe-retry', message, mend)];
});

export const retryAttemptsAreInRange: Check = forEachRetry((method, retry) =>
  outOfRange(method, ['retry', 'maxAttempts'], retry.maxAttempts, 'maxAttempts', method.fullName),
);

export const retryCodesAreVisible: Check = forEachRetry((method, retry) => {
  const unknown = [...retry.codes.entries()].filter(([, code]) => retryCodes[code] === undefined);
  const twice = repeatedEntries(retry.codes);
  return [
    ...unknown.map(([index, code]) => {
      const message = `${method.fullName}: ${code} is no code that Envoy can retry`;
      const mend = `Use ${Object.values(retryCodes).join(', ')}`;
      return problemAt(method, ['retry', 'codes', index], 'retry-code', message, mend);
    }),
    ...twice.map(([index, code]) => {
      const message = `${method.fullName}: ${retryCodes[code] ?? code} is listed twice`;
      return problemAt(method, ['retry', 'codes', index], 'retry-code', message, 'Remove one of the two');
    }),
  ];
});

export const perTryTimeoutFits: Check = forEachRetry((method, retry) => {
  const { perTryTimeout } = retry;
  const path = ['retry', 'perTryTimeout'];
  if (!perTryTimeout) return deadlineCodeNeedsPerTry(method, retry);
  if (isStreaming(method)) {
    const message = `${method.fullName} is a stream, and per_try_timeout would cut it off`;
    return [problemAt(method, path, 'per-try-timeout', message, 'Remove per_try_timeout')];
  }
  const problems = durationOutOfRange(method, path, perTryTimeout, 'perTryTimeoutMs', method.fullName);
  if (method.policy.deadline && toMs(perTryTimeout) > toMs(method.policy.deadline)) {
    const message = `${method.fullName}: per_try_timeout is longer than the deadline`;
    problems.push(problemAt(method, path, 'per-try-timeout', message, 'Choose one below the deadline, or remove it'));
  }
  return problems;
});

function deadlineCodeNeedsPerTry(method: GovernedMethod, retry: Retry): Problem[] {
  const index = retry.codes.findIndex((code) => retryCodes[code] === 'DEADLINE_EXCEEDED');
  if (index < 0) return [];
  const message = `${method.fullName} retries DEADLINE_EXCEEDED without per_try_timeout: nothing is left to try with`;
  return [
    problemAt(method, ['retry', 'codes', index], 'retry-code', message, 'Add per_try_timeout, or remove the code'),
  ];
}
