/** Turns a declared contract without problems into the one that everything is generated from: defaults filled in, enums by name. */
import { type Duration, MethodOptions_IdempotencyLevel as Idempotency } from '@bufbuild/protobuf/wkt';
import type { MethodPolicy, OutlierEjection } from '@weft/gen/weft/mesh/v1/options_pb.js';
import {
  type Contract,
  type Exposure,
  groupByWorkload,
  type Method,
  type RetryCode,
  type Workload,
} from './contract.ts';
import { type DeclaredContract, type DeclaredService, type GovernedMethod, governedMethods } from './declared.ts';
import { toMs } from './duration.ts';
import { defaults, exposures, onFailures, retryCodes } from './vocabulary.ts';

/** Call it only when the checks found nothing: what they refuse throws here, without a position. */
export function settle(declared: DeclaredContract): Contract {
  const methods = governedMethods(declared).map(settleMethod);
  const groups = groupByWorkload(methods);
  const names = [...groups.keys()].sort();
  return {
    methods: new Map(methods.map((method) => [method.fullName, method])),
    workloads: new Map(names.map((name) => [name, settleWorkload(name, declared.services, groups.get(name) ?? [])])),
  };
}

function settleWorkload(name: string, services: readonly DeclaredService[], methods: readonly Method[]): Workload {
  const policies = services.flatMap(({ policy }) => (policy?.workload === name ? [policy] : []));
  const limits = policies.map((p) => p.maxConcurrentRequests || defaults.maxConcurrentRequests);
  return {
    name,
    methods,
    maxConcurrentRequests: limits.reduce((sum, limit) => sum + limit, 0),
    outlierEjection: settleEjection(policies.find((p) => p.outlierEjection)?.outlierEjection),
  };
}

function settleEjection(ejection: OutlierEjection | undefined): Workload['outlierEjection'] {
  return {
    consecutiveFailures: ejection?.consecutiveFailures || defaults.consecutiveFailures,
    baseEjectionTimeMs: optionalMs(ejection?.baseEjectionTime) ?? defaults.baseEjectionTimeMs,
  };
}

function settleMethod(method: GovernedMethod): Method {
  const { policy } = method;
  return {
    fullName: method.fullName,
    workload: method.service.policy?.workload ?? unsettled(method, 'workload'),
    comment: method.comment,
    position: method.position,
    idempotent: method.desc.idempotency !== Idempotency.IDEMPOTENCY_UNKNOWN,
    readOnly: method.desc.idempotency === Idempotency.NO_SIDE_EFFECTS,
    limits: settleLimits(method),
    retry: settleRetry(policy.retry),
    exposure: (exposures[policy.exposure] ?? unsettled(method, 'exposure')) satisfies Exposure,
    scopes: policy.scopes,
    calls: policy.calls.map(({ rpc, maxTimes, parallel, background, onFailure = 0 }) => {
      const answer = onFailures[onFailure] ?? unsettled(method, 'calls.on_failure');
      return { rpc, maxTimes: maxTimes || 1, parallel, background, onFailure: answer };
    }),
    rateLimit: policy.rateLimit && {
      requestsPerSecond: policy.rateLimit.requestsPerSecond,
      burst: policy.rateLimit.burst || policy.rateLimit.requestsPerSecond,
    },
    objective: policy.objective && {
      availabilityPpm: policy.objective.availabilityPpm,
      latencyMs: optionalMs(policy.objective.latency),
      latencyPpm: policy.objective.latencyPpm,
    },
    publicMutationDecision: policy.publicMutationDecision,
  };
}

function settleLimits(method: GovernedMethod): Method['limits'] {
  const { deadline, stream } = method.policy;
  if (deadline) return { kind: 'unary', deadlineMs: toMs(deadline) };
  return {
    kind: 'stream',
    idleTimeoutMs: optionalMs(stream?.idleTimeout) ?? unsettled(method, 'stream.idle_timeout'),
    maxDurationMs: optionalMs(stream?.maxDuration) ?? unsettled(method, 'stream.max_duration'),
  };
}

function settleRetry(retry: MethodPolicy['retry']): Method['retry'] {
  if (!retry) return undefined;
  const codes = retry.codes.map((code) => retryCodes[code]).filter((code): code is RetryCode => code !== undefined);
  return {
    maxAttempts: retry.maxAttempts,
    perTryTimeoutMs: optionalMs(retry.perTryTimeout),
    codes: codes.length > 0 ? codes : ['UNAVAILABLE'],
  };
}

const optionalMs = (duration: Duration | undefined): number | undefined => duration && toMs(duration);

function unsettled(method: GovernedMethod, field: string): never {
  throw new Error(`${method.fullName}: ${field} is not set, which a check should have refused`);
}
