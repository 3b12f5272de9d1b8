/**
 * What the standard variables ask of the exporter of spans, and whether it does all of that.
 */

/** How spans are exported. */
export type OtlpSettings = {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** For an export with all its retries, in milliseconds; default 10 000. */
  readonly timeoutMs: number;
  /** The longest a span waits for others, in milliseconds. */
  readonly delayMs: number;
  /** Spans that wait at most; more are dropped. */
  readonly queueMax: number;
  /** Spans in one export at most; as many are sent at once. */
  readonly batchMax: number;
  /** Which spans are sampled, as far as it is certain without asking the SDK. */
  readonly sampled: Sampled;
};

/** Whether spans are sampled whose parent is, and those that have none; undefined where only the sampler knows. */
export type Sampled = { readonly children: boolean | undefined; readonly roots: boolean | undefined };

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables whose wish is granted here. */
const KNOWN: ReadonlySet<string> = new Set([
  'OTEL_TRACES_EXPORTER',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_EXPORTER_OTLP_TRACES_HEADERS',
  'OTEL_EXPORTER_OTLP_TIMEOUT',
  'OTEL_EXPORTER_OTLP_TRACES_TIMEOUT',
  'OTEL_EXPORTER_OTLP_PROTOCOL',
  'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL',
  'OTEL_EXPORTER_OTLP_COMPRESSION',
  'OTEL_EXPORTER_OTLP_TRACES_COMPRESSION',
  'OTEL_BSP_SCHEDULE_DELAY',
  'OTEL_BSP_MAX_QUEUE_SIZE',
  'OTEL_BSP_MAX_EXPORT_BATCH_SIZE',
]);
/** Variables that concern the export of spans. */
const CONCERNING = /^OTEL_(?:BSP_|TRACES_EXPORTER$|EXPORTER_OTLP_(?!METRICS_|LOGS_)|NODE_EXPERIMENTAL_SDK_METRICS$)/;

/** Variables that bound what is in a span. */
const LIMITS = /^OTEL_(?:SPAN_)?ATTRIBUTE_(?:COUNT|VALUE_LENGTH)_LIMIT$/;

/** Nothing is certain. */
export const UNKNOWN: Sampled = { children: undefined, roots: undefined };
const SAMPLERS: Readonly<Record<string, Sampled>> = {
  always_on: { children: true, roots: true },
  always_off: { children: false, roots: false },
  parentbased_always_on: { children: true, roots: true },
  parentbased_always_off: { children: true, roots: false },
  parentbased_traceidratio: { children: true, roots: undefined },
};

const DEFAULT_ENDPOINT = 'http://localhost:4318';
const TIMEOUT_MS = 10_000;
const DELAY_MS = 1_000;
/** More than the 2048 of the specification, for these are bytes: the 4 MB of a second at 15 000 calls. */
const QUEUE_MAX = 16_384;
const BATCH_MAX = 512;

/** The settings; undefined where a variable asks for what only the SDK's exporters do. */
export function otlpSettings(env: Environment): OtlpSettings | undefined {
  const asked = Object.keys(env).filter((name) => CONCERNING.test(name) && env[name] !== '');
  const of = (name: string): string | undefined =>
    (env[`OTEL_EXPORTER_OTLP_TRACES_${name}`] || env[`OTEL_EXPORTER_OTLP_${name}`])?.trim();
  const url = urlOf(env);
  if (
    url === undefined ||
    !asked.every((name) => KNOWN.has(name)) ||
    (env.OTEL_TRACES_EXPORTER || 'otlp') !== 'otlp' ||
    (of('PROTOCOL') || 'http/protobuf') !== 'http/protobuf' ||
    (of('COMPRESSION') || 'none') !== 'none'
  ) {
    return undefined;
  }
  const queueMax = numberOf(env.OTEL_BSP_MAX_QUEUE_SIZE, QUEUE_MAX);
  return {
    url,
    headers: {
      ...pairsOf(env.OTEL_EXPORTER_OTLP_HEADERS),
      ...pairsOf(env.OTEL_EXPORTER_OTLP_TRACES_HEADERS),
    },
    timeoutMs: numberOf(of('TIMEOUT'), TIMEOUT_MS),
    delayMs: numberOf(env.OTEL_BSP_SCHEDULE_DELAY, DELAY_MS),
    queueMax,
    batchMax: Math.min(numberOf(env.OTEL_BSP_MAX_EXPORT_BATCH_SIZE, BATCH_MAX), queueMax),
    sampled: sampledOf(env),
  };
}

function sampledOf(env: Environment): Sampled {
  // Limits are kept by the SDK's spans alone.
  if (Object.keys(env).some((name) => LIMITS.test(name) && env[name] !== '')) {
    return UNKNOWN;
  }
  return SAMPLERS[env.OTEL_TRACES_SAMPLER || 'parentbased_always_on'] ?? UNKNOWN;
}

function urlOf(env: Environment): URL | undefined {
  const base = env.OTEL_EXPORTER_OTLP_ENDPOINT || DEFAULT_ENDPOINT;
  const url = URL.parse(env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || `${base.replace(/\/$/, '')}/v1/traces`);
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? url : undefined;
}

function numberOf(text: string | undefined, otherwise: number): number {
  const number = Number(text || Number.NaN);
  return Number.isFinite(number) && number > 0 ? number : otherwise;
}

/** `name=value,name=value`, both percent-encoded, as W3C Baggage writes them. */
function pairsOf(text: string | undefined): Record<string, string> {
  const pairs = (text ?? '').split(',').map((pair) => {
    const at = pair.indexOf('=');
    return [decoded(pair.slice(0, Math.max(0, at))), decoded(pair.slice(at + 1))] as const;
  });
  return Object.fromEntries(pairs.filter(([name]) => name !== ''));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.trim());
  } catch {
    return text.trim();
  }
}
