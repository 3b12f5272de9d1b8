/**
 * The shape of the policy table: what the `weft.mesh.v1` options of the contracts say of each RPC, as plain data.
 *
 * The table itself is generated (`@weft/gen/weft/policy.ts`) and imports nothing; this type is what `serve` and `connect`
 * ask of it, so that a generated table that no longer fits does not compile.
 */

/** Limits of a streaming RPC, in milliseconds. The server ends the stream cleanly before either is reached. */
export type StreamPolicy = {
  /** Longest time without a message in either direction. Watch streams send bookmarks below it. */
  readonly idleTimeoutMs: number;
  /** Longest life of the stream. */
  readonly maxDurationMs: number;
};

/** How the caller's sidecar repeats a failed call. The runtime itself never retries. */
export type RetryPolicy = {
  /** All tries, the first included. */
  readonly maxAttempts: number;
  /** Longest that one try may take; absent: the deadline. */
  readonly perTryTimeoutMs?: number;
  /** Names of the gRPC statuses that are tried again, such as `UNAVAILABLE`. */
  readonly codes: readonly string[];
};

/** One RPC that an RPC calls. */
export type DeclaredCall = {
  /** Full name, such as `weft.inventory.v1.ItemService/GetItem`. */
  readonly rpc: string;
  /** Most times that one request calls it. */
  readonly maxTimes: number;
  /** Whether those calls run in parallel. */
  readonly parallel: boolean;
  /** Whether it is called by background work rather than while the caller waits. */
  readonly background: boolean;
  /** What the RPC answers when that one is slow, down or failing: an error, or its answer without it. */
  readonly onFailure: 'REFUSE' | 'DEGRADE';
};

/** The policy of one RPC. */
export type MethodPolicy = {
  /** The workload that implements the RPC. */
  readonly workload: string;
  /** Unary RPCs: longest a caller may wait, in milliseconds, all tries included. */
  readonly deadlineMs?: number;
  /** Streaming RPCs: idle timeout and longest life. */
  readonly stream?: StreamPolicy;
  readonly retry?: RetryPolicy;
  /** Who outside the mesh may call. */
  readonly exposure: 'INTERNAL' | 'AUTHENTICATED' | 'PUBLIC';
  /** Scopes of which a user's token must hold at least one. */
  readonly scopes: readonly string[];
  /** What this RPC calls. */
  readonly calls: readonly DeclaredCall[];
  /** Whether the RPC may be repeated by its `idempotency_level`. */
  readonly idempotent: boolean;
};

/** Policies by full RPC name, `weft.inventory.v1.ItemService/GetItem`. */
export type PolicyTable = Readonly<Record<string, MethodPolicy>>;
