/** A line of an access log, as blocks/access-log.ts has Envoy write it: fields that were empty are left out. */

/** What a line says; absent is undefined. */
export interface AccessLine {
  /** `connection` for a connection that ended; absent for a request. */
  readonly event?: string;
  readonly time?: string;
  /** `edge`, `inbound` or `outbound`. */
  readonly listener?: string;
  /** The RPC, or `unknown`; absent when Envoy refused before it looked at the path. */
  readonly route?: string;
  readonly grpc?: string;
  readonly http?: number;
  /** Envoy's response flags, joined by commas; `-` for none. */
  readonly flags?: string;
  readonly details?: string;
  /** The SPIFFE id of the caller. */
  readonly peer?: string;
  /** The cluster: `app` or a callee. */
  readonly upstream?: string;
  readonly upstream_failure?: string;
  readonly tls_failure?: string;
  readonly attempts?: number;
  readonly duration_ms?: number;
  /** The deadline that was in force, in gRPC's words: `2000m`. */
  readonly timeout?: string;
  readonly trace?: string;
}

/** The fields that a line of ours has one of; others are some other program's. */
const telling = ['event', 'listener', 'details', 'flags'];

/** Reads a line, with or without what a log collector put before the object. Undefined when it is none of Envoy's. */
export function readAccessLine(text: string): AccessLine | undefined {
  const start = text.indexOf('{');
  const end = text.lastIndexOf('}');
  if (start < 0 || end < start) return undefined;
  try {
    const value: unknown = JSON.parse(text.slice(start, end + 1));
    const isOurs = typeof value === 'object' && value !== null && telling.some((key) => key in value);
    return isOurs && hasPlainFields(value) ? (value as AccessLine) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the fields that are judged are texts, as an Envoy writes them. */
const hasPlainFields = (line: object): boolean =>
  texts.every((key) => !(key in line) || typeof Reflect.get(line, key) === 'string');
const texts = [...telling, 'grpc', 'route', 'peer', 'timeout', 'upstream', 'upstream_failure', 'tls_failure', 'trace'];

/** Whether a response flag is set. */
export const hasFlag = ({ flags }: AccessLine, flag: string): boolean => (flags ?? '').split(',').includes(flag);

/** gRPC's own notation in milliseconds: `2000m`, `2S`; undefined for what is none. */
export function timeoutMs(timeout: string | undefined): number | undefined {
  const [, count, unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(timeout ?? '') ?? [];
  const factor = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 }[unit];
  return factor === undefined ? undefined : Number(count) * factor;
}

/** Envoy writes spaces as underscores, and marks where an error begins and ends. */
export const readable = (failure: string | undefined): string =>
  (failure ?? 'it does not say why')
    .replaceAll(/TLS_error:\|?|:TLS_error_end|\d{6,}:|SSL_routines:|OPENSSL_internal:/g, '')
    .replaceAll('_', ' ');
