/**
 * The contract as everything is generated from it: complete, within its bounds, defaults filled in. Only `settle` makes one, out
 * of a declared contract that passed every check.
 */
import type { Position } from './position.ts';

export type Exposure = 'INTERNAL' | 'AUTHENTICATED' | 'PUBLIC';
export type OnFailure = 'REFUSE' | 'DEGRADE';
export type RetryCode = 'UNAVAILABLE' | 'CANCELLED' | 'DEADLINE_EXCEEDED' | 'INTERNAL';

/** All workloads and their RPCs. */
export interface Contract {
  /** By name, sorted. */
  readonly workloads: ReadonlyMap<string, Workload>;
  /** By full name, in the order of the sources. */
  readonly methods: ReadonlyMap<string, Method>;
}

/** What runs as one process beside one sidecar. */
export interface Workload {
  readonly name: string;
  /** What it answers, in the order of the sources. */
  readonly methods: readonly Method[];
  /** Most requests that one replica works on at once: its services' limits added up. */
  readonly maxConcurrentRequests: number;
  readonly outlierEjection: { readonly consecutiveFailures: number; readonly baseEjectionTimeMs: number };
}

/** One RPC with its policy. */
export interface Method {
  /** `acme.shelf.v1.ShelfService/GetBook`. */
  readonly fullName: string;
  readonly workload: string;
  readonly comment: string;
  readonly position: Position;
  /** Whether `idempotency_level` says that it may be repeated. */
  readonly idempotent: boolean;
  /** Whether `idempotency_level` says that it changes nothing. */
  readonly readOnly: boolean;
  readonly limits: UnaryLimits | StreamLimits;
  readonly retry: Retry | undefined;
  readonly exposure: Exposure;
  readonly scopes: readonly string[];
  readonly calls: readonly Call[];
  readonly rateLimit: RateLimit | undefined;
  readonly objective: Objective | undefined;
  readonly publicMutationDecision: string;
}

/** A unary RPC is bounded by one deadline, all tries included. */
export interface UnaryLimits {
  readonly kind: 'unary';
  readonly deadlineMs: number;
}

/** A stream is bounded by its life and by how long it may be silent. */
export interface StreamLimits {
  readonly kind: 'stream';
  readonly idleTimeoutMs: number;
  readonly maxDurationMs: number;
}

export interface Retry {
  /** All tries, the first included. */
  readonly maxAttempts: number;
  readonly perTryTimeoutMs: number | undefined;
  readonly codes: readonly RetryCode[];
}

export interface Call {
  readonly rpc: string;
  readonly maxTimes: number;
  readonly parallel: boolean;
  readonly background: boolean;
  readonly onFailure: OnFailure;
}

export interface RateLimit {
  readonly requestsPerSecond: number;
  readonly burst: number;
}

export interface Objective {
  readonly availabilityPpm: number;
  readonly latencyMs: number | undefined;
  readonly latencyPpm: number;
}

/** The longest that a call may last: its deadline, or the life of its stream. */
export const longestMs = ({ limits }: Pick<Method, 'limits'>): number =>
  limits.kind === 'unary' ? limits.deadlineMs : limits.maxDurationMs;

/** `/acme.shelf.v1.ShelfService/GetBook`, as it stands in `:path`. */
export const pathOf = ({ fullName }: Pick<Method, 'fullName'>): string => `/${fullName}`;

/** Names of the workloads that declare a call to `method`, sorted; the edge is not among them. */
export const callersOf = (contract: Contract, method: Method): string[] =>
  [...new Set(callingMethods(contract, method).map(({ workload }) => workload))].sort();

/** The RPCs that declare a call to `method`, in the order of the contract. */
export const callingMethods = (contract: Contract, { fullName }: Pick<Method, 'fullName'>): readonly Method[] =>
  indexOf(contract).callers.get(fullName) ?? [];

/** The RPCs that any RPC of `workload` calls, by the workload that answers them; both in the order of the contract. */
export function calleesOf(contract: Contract, workload: Workload): Map<string, Method[]> {
  const { order } = indexOf(contract);
  const called = new Set(workload.methods.flatMap(({ calls }) => calls.map(({ rpc }) => rpc)));
  const place = (rpc: string): number => order.get(rpc) ?? -1;
  const sorted = [...called].sort((a, b) => place(a) - place(b));
  return groupByWorkload(sorted.flatMap((rpc) => contract.methods.get(rpc) ?? []));
}

/** What is asked of a contract again and again, so that its size is gone through once. */
interface ContractIndex {
  /** The RPCs that declare a call to an RPC, by its name. */
  readonly callers: ReadonlyMap<string, readonly Method[]>;
  /** The place of each RPC in the contract. */
  readonly order: ReadonlyMap<string, number>;
}

const indexes = new WeakMap<Contract, ContractIndex>();

function indexOf(contract: Contract): ContractIndex {
  const known = indexes.get(contract);
  if (known) return known;
  const callers = new Map<string, Method[]>();
  for (const method of contract.methods.values()) {
    for (const rpc of new Set(method.calls.map((call) => call.rpc))) {
      const those = callers.get(rpc);
      if (those) those.push(method);
      else callers.set(rpc, [method]);
    }
  }
  const order = new Map([...contract.methods.keys()].map((name, place) => [name, place]));
  const index = { callers, order };
  indexes.set(contract, index);
  return index;
}

/** The RPCs that the edge lets through, by the workload that answers them; both in the order of the contract. */
export function exposedMethods(contract: Contract): Map<string, Method[]> {
  return groupByWorkload([...contract.methods.values()].filter(({ exposure }) => exposure !== 'INTERNAL'));
}

/** By the workload that answers them, in the order given. */
export function groupByWorkload(methods: readonly Method[]): Map<string, Method[]> {
  const groups = new Map<string, Method[]>();
  for (const method of methods) {
    const group = groups.get(method.workload);
    if (group) group.push(method);
    else groups.set(method.workload, [method]);
  }
  return groups;
}
