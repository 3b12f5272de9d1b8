/** All rules that a contract has to keep, in the order of envoy/README.md. */
import type { DeclaredContract } from '../contract/declared.ts';
import type { Problem } from '../contract/problem.ts';
import { calleesKeepTheDeadline } from './budget.ts';
import {
  callFailuresAreAnswered,
  callsAreListedOnce,
  callsLeaveTheWorkload,
  callsNameKnownRpcs,
  callTimesAreInRange,
  rpcsFormNoCircle,
  workloadsFormNoCircle,
} from './calls.ts';
import type { Check } from './check.ts';
import { streamHasLimits, unaryHasDeadline } from './deadline.ts';
import {
  exposureIsSaid,
  publicIsRateLimited,
  publicMutationIsDecided,
  rateLimitIsInRange,
  scopesAreWords,
  scopesFitExposure,
} from './exposure.ts';
import { objectiveIsMeasurable } from './objective.ts';
import {
  builtinServicesAreLeftAlone,
  everyMethodHasPolicy,
  everyServiceHasPackage,
  everyServiceHasPolicy,
  serviceLimitsAreInRange,
  workloadsCanBeNamed,
  workloadsEjectAlike,
} from './presence.ts';
import { perTryTimeoutFits, retryAttemptsAreInRange, retryCodesAreVisible, retryIsSafe } from './retry.ts';
import { retriesAreAtOneHop, triesOfAPathAreFew } from './retry-path.ts';

const checks: readonly Check[] = [
  everyServiceHasPackage,
  builtinServicesAreLeftAlone,
  everyServiceHasPolicy,
  everyMethodHasPolicy,
  workloadsCanBeNamed,
  serviceLimitsAreInRange,
  workloadsEjectAlike,
  unaryHasDeadline,
  streamHasLimits,
  retryIsSafe,
  retryAttemptsAreInRange,
  retryCodesAreVisible,
  perTryTimeoutFits,
  exposureIsSaid,
  scopesFitExposure,
  scopesAreWords,
  publicIsRateLimited,
  publicMutationIsDecided,
  rateLimitIsInRange,
  objectiveIsMeasurable,
  callsNameKnownRpcs,
  callsLeaveTheWorkload,
  callsAreListedOnce,
  callTimesAreInRange,
  callFailuresAreAnswered,
  rpcsFormNoCircle,
  workloadsFormNoCircle,
];

/** Rules about whole paths of calls, which have an end only where no circle was found. */
const pathChecks: readonly Check[] = [calleesKeepTheDeadline, retriesAreAtOneHop, triesOfAPathAreFew];

/** Everything that is wrong with `contract`; empty when it may be compiled. */
export function findProblems(contract: DeclaredContract): Problem[] {
  const problems = checks.flatMap((check) => check(contract));
  const endless = rpcsFormNoCircle(contract).length > 0;
  return endless ? problems : [...problems, ...pathChecks.flatMap((check) => check(contract))];
}
