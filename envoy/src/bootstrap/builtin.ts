/** RPCs of every server that no contract declares: health, for callers' checks, and reflection and health as the edge offers them. */
import type { Method } from '../contract/contract.ts';

type Builtin = Pick<Method, 'fullName' | 'limits' | 'retry' | 'rateLimit'>;

const outside = { retry: undefined, rateLimit: { requestsPerSecond: 50, burst: 100 } } as const;
const unary = { kind: 'unary', deadlineMs: 2000 } as const;
const stream = { kind: 'stream', idleTimeoutMs: 300_000, maxDurationMs: 1_800_000 } as const;

/** What a callee's sidecar lets every caller ask, since callers check the health of replicas. */
export const healthCheck: Builtin = { fullName: 'grpc.health.v1.Health/Check', limits: unary, ...outside };

/** What the edge passes on to the topology's reflection workload, for anyone. */
export const answeredForTheEdge: readonly Builtin[] = [
  { fullName: 'grpc.reflection.v1.ServerReflection/ServerReflectionInfo', limits: stream, ...outside },
  { fullName: 'grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo', limits: stream, ...outside },
  healthCheck,
  { fullName: 'grpc.health.v1.Health/Watch', limits: stream, ...outside },
];
