/** A unary RPC has a deadline, a stream has limits, and neither has the other's. */
import { type GovernedMethod, governedMethods, isStreaming } from '../contract/declared.ts';
import { toMs } from '../contract/duration.ts';
import type { Problem } from '../contract/problem.ts';
import { type Check, durationOutOfRange, problemAt } from './check.ts';

export const unaryHasDeadline: Check = (contract) =>
  governedMethods(contract)
    .filter((method) => !isStreaming(method))
    .flatMap(checkUnary);

export const streamHasLimits: Check = (contract) => governedMethods(contract).filter(isStreaming).flatMap(checkStream);

function checkUnary(method: GovernedMethod): Problem[] {
  const { policy, fullName } = method;
  const problems: Problem[] = [];
  if (!policy.deadline) {
    const message = `${fullName} is unary and has no deadline`;
    problems.push(
      problemAt(method, [], 'deadline', message, 'Add `deadline: {seconds: ...}`, the longest a caller may wait'),
    );
  } else {
    problems.push(...durationOutOfRange(method, ['deadline'], policy.deadline, 'deadlineMs', fullName));
  }
  if (policy.stream) {
    const message = `${fullName} is unary and has stream limits`;
    problems.push(problemAt(method, ['stream'], 'deadline', message, 'Remove `stream`; the deadline is its limit'));
  }
  return problems;
}

function checkStream(method: GovernedMethod): Problem[] {
  const { policy, fullName } = method;
  const problems: Problem[] = [];
  if (policy.deadline) {
    const message = `${fullName} is a stream and has a deadline`;
    problems.push(problemAt(method, ['deadline'], 'stream-limits', message, 'Remove `deadline`; `stream` limits it'));
  }
  const { idleTimeout, maxDuration } = policy.stream ?? {};
  if (!idleTimeout || !maxDuration) {
    const message = `${fullName} is a stream and lacks stream limits`;
    const mend = 'Add `stream: {idle_timeout: {seconds: ...} max_duration: {seconds: ...}}`';
    problems.push(problemAt(method, policy.stream ? ['stream'] : [], 'stream-limits', message, mend));
    return problems;
  }
  problems.push(...durationOutOfRange(method, ['stream', 'idleTimeout'], idleTimeout, 'idleTimeoutMs', fullName));
  problems.push(...durationOutOfRange(method, ['stream', 'maxDuration'], maxDuration, 'maxDurationMs', fullName));
  if (toMs(idleTimeout) > toMs(maxDuration)) {
    const message = `${fullName}: idle_timeout is longer than max_duration`;
    problems.push(
      problemAt(
        method,
        ['stream', 'idleTimeout'],
        'stream-limits',
        message,
        'Choose an idle_timeout below max_duration',
      ),
    );
  }
  return problems;
}
