/** A service level objective that can be measured: shares are parts per million, and the latency lies below the deadline. */
import { type GovernedMethod, governedMethods, isStreaming } from '../contract/declared.ts';
import { toMs } from '../contract/duration.ts';
import type { Problem } from '../contract/problem.ts';
import { type Check, durationOutOfRange, outOfRange, problemAt } from './check.ts';

export const objectiveIsMeasurable: Check = (contract) => governedMethods(contract).flatMap(checkObjective);

function checkObjective(method: GovernedMethod): Problem[] {
  const { objective, deadline } = method.policy;
  const name = method.fullName;
  if (!objective) return [];
  const { availabilityPpm, latency, latencyPpm } = objective;
  const problems = outOfRange(method, ['objective', 'availabilityPpm'], availabilityPpm, 'partsPerMillion', name);
  if ((latency === undefined) !== (latencyPpm === 0)) {
    const message = `${name}: latency and latency_ppm say one thing together`;
    problems.push(problemAt(method, ['objective'], 'objective', message, 'State both, or neither'));
    return problems;
  }
  if (!latency) return problems;
  if (isStreaming(method)) {
    const message = `${name} is a stream and has a latency objective, but lasts as long as its caller wants`;
    problems.push(problemAt(method, ['objective', 'latency'], 'objective', message, 'Remove latency and latency_ppm'));
    return problems;
  }
  problems.push(...outOfRange(method, ['objective', 'latencyPpm'], latencyPpm, 'partsPerMillion', name));
  problems.push(...durationOutOfRange(method, ['objective', 'latency'], latency, 'latencyMs', name));
  if (deadline && toMs(latency) > toMs(deadline)) {
    const message = `${name}: its latency objective lies above its deadline`;
    problems.push(
      problemAt(method, ['objective', 'latency'], 'objective', message, 'Choose a latency below the deadline'),
    );
  }
  return problems;
}
