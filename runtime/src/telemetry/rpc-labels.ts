/**
 * What spans and metrics of an RPC say of it, made once for each RPC rather than for each call.
 */

import { Code, type ConnectError } from '@connectrpc/connect';
import { codeToString } from '@connectrpc/connect/protocol-connect';
import { type Attributes, SpanKind } from '@opentelemetry/api';
import { rpcHead } from './otlp/span-bytes.ts';

/** Which of the runtime's two ways a call went: the one thing that tells them apart. */
export type Lane = 'fast' | 'adapter';

/** The labels of an RPC, on one side. */
export type RpcLabels = {
  readonly kind: SpanKind;
  readonly rpc: string;
  readonly attributes: Attributes;
  /** The attributes of the duration of a call that ended so. */
  outcome(status: string, lane: Lane | undefined): Attributes;
  /** The span of a call that ended so, as far as it is the same for all of them. */
  head(status: string): Uint8Array;
};

const known = new Map<string, RpcLabels>();

/**
 * The labels of an RPC.
 *
 * @param workload the callee; undefined on the side that answers.
 */
export function labelsOf(kind: SpanKind, rpc: string, isGrpc: boolean, workload?: string): RpcLabels {
  // Only RPCs of our own are asked for, so there are no more of these than RPCs, callees and protocols.
  const key = kind === SpanKind.SERVER ? (isGrpc ? rpc : `connect ${rpc}`) : `${workload} ${rpc}`;
  let labels = known.get(key);
  if (labels === undefined) {
    labels = makeLabels(kind, rpc, {
      'rpc.system.name': isGrpc ? 'grpc' : 'connectrpc',
      'rpc.method': rpc,
      ...(workload === undefined ? {} : { 'server.address': workload }),
    });
    known.set(key, labels);
  }
  return labels;
}

function makeLabels(kind: SpanKind, rpc: string, attributes: Attributes): RpcLabels {
  const outcomes: Record<Lane | 'none', Map<string, Attributes>> = {
    fast: new Map(),
    adapter: new Map(),
    none: new Map(),
  };
  const heads = new Map<string, Uint8Array>();
  return {
    kind,
    rpc,
    attributes,
    outcome(status, lane) {
      const known = outcomes[lane ?? 'none'];
      let outcome = known.get(status);
      if (outcome === undefined) {
        outcome = {
          ...attributes,
          'rpc.response.status_code': status,
          ...(lane === undefined ? {} : { 'weft.rpc.lane': lane }),
        };
        known.set(status, outcome);
      }
      return outcome;
    },
    head(status) {
      let head = heads.get(status);
      if (head === undefined) {
        head = rpcHead(rpc, kind, { ...attributes, 'rpc.response.status_code': status });
        heads.set(status, head);
      }
      return head;
    },
  };
}

/** Names of gRPC statuses by number. */
const NAMES: ReadonlyMap<Code, string> = new Map(
  Object.values(Code)
    .filter((code): code is Code => typeof code === 'number')
    .map((code) => [code, code === Code.Canceled ? 'CANCELLED' : codeToString(code).toUpperCase()]),
);

/** The name of the gRPC status, `OK` without an error. */
export function statusName(error: ConnectError | undefined): string {
  return error === undefined ? 'OK' : (NAMES.get(error.code) ?? 'UNKNOWN');
}
