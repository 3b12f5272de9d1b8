/**
 * A topology: what operations own and no contract decides, such as addresses, replicas and sampling. It may tighten what a
 * contract promises (`tighten`), never loosen it.
 */
import type { Position } from '../contract/position.ts';

export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** One topology, as read from `<name>.yaml`. */
export interface Topology {
  readonly name: string;
  /** How messages call its file. */
  readonly file: string;
  readonly trustDomain: string;
  readonly edge: Edge;
  readonly tracing: { readonly collector: Address; readonly samplePercent: number };
  readonly limits: { readonly maxConnections: number; readonly maxHeapMb: number };
  readonly tighten: readonly Tightening[];
  /** Where one workload's sidecar and service are; the edge has only the files and the admin socket. */
  placeOf(workload: string): Place;
  /** Second versions, by workload. */
  readonly canaries: ReadonlyMap<string, Canary>;
  /** Workloads that the topology speaks of by name, and where. */
  readonly mentioned: readonly { readonly workload: string; readonly at: Position }[];
}

/** The addresses and files of one workload. */
export interface Place {
  /** Where the sidecar listens for callers, over mTLS. */
  readonly inbound: Address;
  /** Where callers reach the replicas. */
  readonly reachedAt: readonly Address[];
  /** Where the sidecar listens for the service's own calls. */
  readonly outbound: Address;
  /** Where the service listens. */
  readonly app: Address;
  readonly admin: Address;
  /** The folder with `current/identity.yaml` and `current/trust.yaml`, watched for the swap of `current`. */
  readonly certificates: string;
  /** The path of a file, or `stdout`. */
  readonly accessLog: string;
}

/** A second version of a workload, and who gets to it; what each field means stands in canary.ts. */
export interface Canary {
  readonly reachedAt: readonly Address[];
  /** 0 to 100, in steps of 0.01. */
  readonly percent: number;
  readonly header: { readonly name: string; readonly value: string } | undefined;
}

/** Where the keys of tokens are; what each field means stands in key-set.ts. */
export type KeySet =
  | {
      readonly kind: 'file';
      readonly path: string /** Where the edge serves it to itself. */;
      readonly servedAt: Address;
    }
  | {
      readonly kind: 'url';
      readonly url: string;
      readonly server: Extract<Address, { kind: 'tcp' }>;
      /** A PEM file; absent for plain HTTP. */
      readonly trustedCa: string | undefined;
      readonly refreshSeconds: number;
    };

export interface Edge {
  readonly listen: Address;
  readonly trustedProxies: number;
  /** Who answers reflection and health for the edge; absent: nobody does. */
  readonly reflection: { readonly workload: string; readonly at: Position } | undefined;
  readonly corsOrigins: readonly string[];
  readonly token: { readonly issuer: string; readonly audience: string; readonly keySet: KeySet };
}

/** Smaller values than the contract's, for one RPC or one workload. */
export interface Tightening {
  readonly at: Position;
  /** The full name of an RPC, or the name of a workload. */
  readonly subject: string;
  readonly deadlineMs: number | undefined;
  readonly requestsPerSecond: number | undefined;
  readonly maxConcurrentRequests: number | undefined;
}
