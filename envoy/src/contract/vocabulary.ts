/**
 * The words of the policy options: enum numbers as names, defaults, and the bounds that options.proto states. The numbers are the
 * wire's, so they cannot change; a test compares them with the descriptor.
 */
import type { Exposure, OnFailure, RetryCode } from './contract.ts';

/** `weft.mesh.v1.Exposure` by number; what is not here is refused. */
export const exposures: Readonly<Record<number, Exposure>> = { 1: 'INTERNAL', 2: 'AUTHENTICATED', 3: 'PUBLIC' };

/** `weft.mesh.v1.RetryCode` by number; what is not here is refused. */
export const retryCodes: Readonly<Record<number, RetryCode>> = {
  1: 'UNAVAILABLE',
  2: 'CANCELLED',
  3: 'DEADLINE_EXCEEDED',
  4: 'INTERNAL',
};

/** `weft.mesh.v1.OnFailure` by number. */
export const onFailures: Readonly<Record<number, OnFailure>> = { 0: 'REFUSE', 1: 'REFUSE', 2: 'DEGRADE' };

/** What an unset field means. */
export const defaults = { maxConcurrentRequests: 256, consecutiveFailures: 5, baseEjectionTimeMs: 2000 } as const;

/** Most times that one call may reach its last service along any path of calls: the product of the tries at each hop. */
export const triesOfAPath = 4;

/** Least and most of what a policy may say, both included. */
export const bounds = {
  maxConcurrentRequests: [1, 10_000],
  consecutiveFailures: [1, 100],
  baseEjectionTimeMs: [100, 300_000],
  deadlineMs: [1, 300_000],
  idleTimeoutMs: [1000, 3_600_000],
  maxDurationMs: [1000, 86_400_000],
  maxAttempts: [2, triesOfAPath],
  perTryTimeoutMs: [1, 300_000],
  maxTimes: [1, 100],
  requestsPerSecond: [1, 1_000_000],
  burst: [1, 10_000_000],
  partsPerMillion: [1, 1_000_000],
  latencyMs: [1, 300_000],
} as const satisfies Record<string, readonly [number, number]>;

/** Names that the generated configuration keeps for itself. */
export const reservedWorkloads: readonly string[] = ['edge', 'app', 'otlp'];

export const workloadPattern = /^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$/;
export const scopePattern = /^[a-z][a-z0-9_.:-]{0,63}$/;
