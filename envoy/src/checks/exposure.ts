/** What an RPC lets in from outside the mesh, and what it asks in return: scopes, a rate limit, a reason. */
import { MethodOptions_IdempotencyLevel as Idempotency } from '@bufbuild/protobuf/wkt';
import { type GovernedMethod, governedMethods } from '../contract/declared.ts';
import type { Problem } from '../contract/problem.ts';
import { exposures, scopePattern } from '../contract/vocabulary.ts';
import { type Check, outOfRange, problemAt, repeatedEntries } from './check.ts';

const exposureOf = ({ policy }: GovernedMethod) => exposures[policy.exposure];

export const exposureIsSaid: Check = (contract) =>
  governedMethods(contract)
    .filter((method) => exposureOf(method) === undefined)
    .map((method) => {
      const message = `${method.fullName} does not say who outside the mesh may call it`;
      const mend = 'Add `exposure: EXPOSURE_INTERNAL`, `EXPOSURE_AUTHENTICATED` or `EXPOSURE_PUBLIC`';
      return problemAt(method, ['exposure'], 'exposure', message, mend);
    });

export const scopesFitExposure: Check = (contract) =>
  governedMethods(contract).flatMap((method) => {
    const { scopes } = method.policy;
    const exposure = exposureOf(method);
    const problems: Problem[] = [];
    if (exposure === 'AUTHENTICATED' && scopes.length === 0) {
      const message = `${method.fullName} is AUTHENTICATED and names no scope, so any token would do`;
      problems.push(problemAt(method, ['exposure'], 'scopes', message, 'Add `scopes: ["..."]`'));
    }
    if (exposure !== undefined && exposure !== 'AUTHENTICATED' && scopes.length > 0) {
      const message = `${method.fullName} is ${exposure} and names scopes, which nothing would check`;
      problems.push(problemAt(method, ['scopes'], 'scopes', message, 'Remove `scopes`, or make it AUTHENTICATED'));
    }
    return problems;
  });

export const scopesAreWords: Check = (contract) =>
  governedMethods(contract).flatMap((method) => {
    const { scopes } = method.policy;
    const malformed = [...scopes.entries()].filter(([, scope]) => !scopePattern.test(scope));
    return [
      ...malformed.map(([index, scope]) => {
        const message = `${method.fullName}: "${scope}" is no scope`;
        const mend = 'Use 1 to 64 lower-case letters, digits and any of _ . : -, beginning with a letter';
        return problemAt(method, ['scopes', index], 'scopes', message, mend);
      }),
      ...repeatedEntries(scopes).map(([index, scope]) => {
        const message = `${method.fullName}: scope "${scope}" is listed twice`;
        return problemAt(method, ['scopes', index], 'scopes', message, 'Remove one of the two');
      }),
    ];
  });

export const publicIsRateLimited: Check = (contract) =>
  governedMethods(contract)
    .filter((method) => exposureOf(method) === 'PUBLIC' && !method.policy.rateLimit)
    .map((method) => {
      const message = `${method.fullName} is PUBLIC and has no rate limit`;
      return problemAt(
        method,
        ['exposure'],
        'public-rate-limit',
        message,
        'Add `rate_limit: {requests_per_second: ...}`',
      );
    });

export const publicMutationIsDecided: Check = (contract) =>
  governedMethods(contract).flatMap((method) => {
    const decision = method.policy.publicMutationDecision.trim();
    const isPublicMutation = exposureOf(method) === 'PUBLIC' && method.desc.idempotency !== Idempotency.NO_SIDE_EFFECTS;
    if (isPublicMutation && !/\p{L}/u.test(decision)) {
      const message = `${method.fullName} is PUBLIC and may change state, and nothing says why that is right`;
      const mend = 'Add `public_mutation_decision: "..."`, or set `idempotency_level` to NO_SIDE_EFFECTS';
      return [problemAt(method, ['exposure'], 'public-mutation', message, mend)];
    }
    if (!isPublicMutation && decision !== '' && exposureOf(method) !== undefined) {
      const message = `${method.fullName} has a public_mutation_decision and is no public mutation`;
      return [problemAt(method, ['publicMutationDecision'], 'public-mutation', message, 'Remove the decision')];
    }
    return [];
  });

export const rateLimitIsInRange: Check = (contract) =>
  governedMethods(contract).flatMap((method) => {
    const { rateLimit } = method.policy;
    if (!rateLimit) return [];
    const { requestsPerSecond, burst } = rateLimit;
    const path = ['rateLimit', 'requestsPerSecond'];
    const problems = outOfRange(method, path, requestsPerSecond, 'requestsPerSecond', method.fullName);
    if (burst === 0) return problems;
    problems.push(...outOfRange(method, ['rateLimit', 'burst'], burst, 'burst', method.fullName));
    if (burst < requestsPerSecond) {
      const message = `${method.fullName}: a burst of ${burst} holds less than one second's requests`;
      const mend = 'Choose a burst of at least requests_per_second, or leave it out';
      problems.push(problemAt(method, ['rateLimit', 'burst'], 'range', message, mend));
    }
    return problems;
  });
