/**
 * What a client is made with, and which of it can be meant.
 */

import type { DescService } from '@bufbuild/protobuf';
import type { Interceptor } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node';
import { type Address, formatAddress, parseAddress } from '../address.ts';
import type { PolicyTable } from '../policy.ts';
import { DEFAULT_LIMITS } from '../server/limits.ts';
import type { Lane } from '../telemetry/rpc-labels.ts';
import { type CallerOption, checkCaller } from './caller-client.ts';
import { type ClientTls, checkTls } from './session/dial-tls.ts';
import { DEFAULT_SESSION_OPTIONS, type SessionOptions } from './session/session-options.ts';

/** The names of compressions. */
export type CompressionName = 'gzip' | 'br';

/** Where and by what rules to call. */
export type ConnectOptions = {
  /** The sidecar's outbound listener, `WEFT_EGRESS`; or the callee itself, where there is no sidecar. */
  readonly egress: Address | string;
  /**
   * The policy table: default deadlines, and the workload that implements the service. With it calls fail with typed errors only.
   * Absent: calls have the deadlines that they are given, and errors are as they were received.
   */
  readonly policy?: PolicyTable;
  /** The callee, sent as the authority. Default: the workload that policy names; without policy, the address. */
  readonly workload?: string;
  /** Default `grpc`. */
  readonly protocol?: 'grpc' | 'grpc-web' | 'connect';
  /** Default `2`. gRPC needs it; `1.1` is for callees without HTTP/2. */
  readonly httpVersion?: '1.1' | '2';
  /** How messages are written. Default `proto`. */
  readonly format?: 'proto' | 'json';
  /** Speak TLS, and by what. Absent: cleartext. */
  readonly tls?: ClientTls;
  /** Run around each call, unary or stream. The first is outermost. */
  readonly interceptors?: readonly Interceptor[];
  /** How requests are compressed. Default: not at all. */
  readonly sendCompression?: CompressionName;
  /** How answers may be compressed. Default: not at all, since between processes of one machine it costs more than it saves. */
  readonly acceptCompression?: readonly CompressionName[];
  /** Smallest request that is compressed, in bytes. Default 1,024; -1: even one of no bytes. */
  readonly compressMinBytes?: number;
  /** Ask RPCs without side effects by GET, which caches understand. Only with the protocol `connect`. */
  readonly useHttpGet?: boolean;
  /** Largest message read, in bytes. Default 4 MiB. */
  readonly readMaxBytes?: number;
  /** Largest message sent, in bytes. Default 4 MiB. */
  readonly writeMaxBytes?: number;
  /** Timeout of a call that has none of its own, in milliseconds. Only without `policy`, which knows them. Default: none. */
  readonly defaultTimeoutMs?: number;
  /** Default `catalogue` with `policy`, and `as-received` without. */
  readonly errors?: 'catalogue' | 'as-received';
  /** Bounds of the connections, over HTTP/2; shared by all clients of an address that ask for the same. */
  readonly sessions?: Partial<SessionOptions>;
  /** Told of each call by which lane it goes. For tests: nothing else differs. */
  readonly onLane?: (lane: Lane) => void;
  /** Whether unary calls may use the fast lane. Default true; false is for tests that compare the lanes. */
  readonly fastLane?: boolean;
};

/** The options as they hold. */
export type ClientOptions = {
  readonly egress: Address;
  readonly policy: PolicyTable;
  readonly authority: string;
  readonly protocol: 'grpc' | 'grpc-web' | 'connect';
  readonly httpVersion: '1.1' | '2';
  readonly isBinary: boolean;
  readonly tls: ClientTls | undefined;
  readonly interceptors: readonly Interceptor[];
  readonly sendCompression: Compression | undefined;
  readonly acceptCompression: readonly Compression[];
  readonly compressMinBytes: number;
  readonly useHttpGet: boolean;
  readonly readMaxBytes: number;
  readonly writeMaxBytes: number;
  readonly defaultTimeoutMs: number | undefined;
  readonly isTyped: boolean;
  readonly sessions: SessionOptions;
  readonly onLane: ((lane: Lane) => void) | undefined;
  readonly useFastLane: boolean;
};

const COMPRESSIONS: Readonly<Record<CompressionName, Compression>> = { gzip: compressionGzip, br: compressionBrotli };

/**
 * The options as they hold, defaults filled in.
 *
 * @throws Error for options that exclude each other, naming both, for those that are none, for certificates that cannot be used, where policy
 *   knows no RPC of the service and no workload is given, and where the caller declares no call to the service.
 */
export function clientOptions(service: DescService, given: ConnectOptions & Partial<CallerOption>): ClientOptions {
  const { protocol = 'grpc', httpVersion = '2', policy, tls, sendCompression } = given;
  refuseUnknown(given);
  refuseContradictions(given, protocol, httpVersion);
  if (tls !== undefined) {
    checkTls(tls);
  }
  if (given.caller !== undefined && policy !== undefined) {
    checkCaller(service, given.caller, policy);
  }
  const egress = typeof given.egress === 'string' ? parseAddress(given.egress) : given.egress;
  return {
    egress,
    policy: policy ?? {},
    authority: given.workload ?? (policy === undefined ? authorityOf(egress) : workloadOf(service, policy)),
    protocol,
    httpVersion,
    isBinary: (given.format ?? 'proto') === 'proto',
    tls,
    interceptors: given.interceptors ?? [],
    sendCompression: sendCompression === undefined ? undefined : COMPRESSIONS[sendCompression],
    acceptCompression: (given.acceptCompression ?? []).map((name) => COMPRESSIONS[name]),
    compressMinBytes: given.compressMinBytes ?? DEFAULT_LIMITS.compressMinBytes,
    useHttpGet: given.useHttpGet ?? false,
    readMaxBytes: given.readMaxBytes ?? DEFAULT_LIMITS.readMaxBytes,
    writeMaxBytes: given.writeMaxBytes ?? DEFAULT_LIMITS.writeMaxBytes,
    defaultTimeoutMs: given.defaultTimeoutMs,
    isTyped: (given.errors ?? (policy === undefined ? 'as-received' : 'catalogue')) === 'catalogue',
    sessions: { ...DEFAULT_SESSION_OPTIONS, ...given.sessions },
    onLane: given.onLane,
    useFastLane: given.fastLane ?? true,
  };
}

/** What may be chosen, for callers whose choices come from outside the types. */
const CHOICES = {
  protocol: ['grpc', 'grpc-web', 'connect'],
  httpVersion: ['1.1', '2'],
  format: ['proto', 'json'],
  errors: ['catalogue', 'as-received'],
  sendCompression: ['gzip', 'br'],
  acceptCompression: ['gzip', 'br'],
} as const satisfies Partial<Record<keyof ConnectOptions, readonly string[]>>;

function refuseUnknown(given: ConnectOptions): void {
  for (const [name, choices] of Object.entries(CHOICES)) {
    const chosen: unknown = given[name as keyof typeof CHOICES];
    for (const one of Array.isArray(chosen) ? chosen : [chosen]) {
      if (one !== undefined && !(choices as readonly unknown[]).includes(one)) {
        throw new Error(`${name} is "${String(one)}": choose among ${choices.join(', ')}, or leave it out`);
      }
    }
  }
}

function refuseContradictions(
  given: ConnectOptions & Partial<CallerOption>,
  protocol: string,
  httpVersion: string,
): void {
  if (protocol === 'grpc' && httpVersion === '1.1') {
    throw new Error(
      'protocol "grpc" needs HTTP/2, and httpVersion is "1.1": choose another protocol, or leave httpVersion out',
    );
  }
  if (given.useHttpGet === true && protocol !== 'connect') {
    throw new Error(
      `useHttpGet is Connect's, and protocol is "${protocol}": set it to "connect", or leave useHttpGet out`,
    );
  }
  if (given.defaultTimeoutMs !== undefined && given.policy !== undefined) {
    throw new Error('defaultTimeoutMs and policy both say how long a call may take: leave one of them out');
  }
  if (given.caller !== undefined && given.policy === undefined) {
    throw new Error('caller is looked up in policy, which is missing: give it, or leave caller out');
  }
  if (given.sessions !== undefined && httpVersion === '1.1') {
    throw new Error('sessions bounds connections of HTTP/2, and httpVersion is "1.1": leave one of them out');
  }
  for (const name of ['readMaxBytes', 'writeMaxBytes', 'defaultTimeoutMs'] as const) {
    const value = given[name];
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
      throw new Error(`${name} is ${value}: give a whole number above 0, or leave it out`);
    }
  }
  const { compressMinBytes = 0 } = given;
  if (!(Number.isSafeInteger(compressMinBytes) && compressMinBytes >= -1)) {
    throw new Error(`compressMinBytes is ${compressMinBytes}: give a whole number from -1, or leave it out`);
  }
  for (const [name, value] of Object.entries(given.sessions ?? {})) {
    if (!(name in DEFAULT_SESSION_OPTIONS) || !(Number.isSafeInteger(value) && value > 0)) {
      throw new Error(
        `sessions.${name} is ${value}: give a whole number above 0 for one of ${Object.keys(DEFAULT_SESSION_OPTIONS).join(', ')}`,
      );
    }
  }
}

/** What to call an address by that has no name. */
function authorityOf(address: Address): string {
  return address.kind === 'unix' ? 'localhost' : formatAddress(address);
}

function workloadOf(service: DescService, policy: PolicyTable): string {
  for (const method of service.methods) {
    const promised = policy[`${service.typeName}/${method.name}`];
    if (promised !== undefined) {
      return promised.workload;
    }
  }
  throw new Error(`policy knows no RPC of ${service.typeName}: run npm run generate, or name the workload`);
}
