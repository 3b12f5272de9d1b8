/**
 * Starts OpenTelemetry in a workload. Everything is set by the standard `OTEL_*` variables; without an endpoint in them
 * nothing is even loaded.
 */

import { createRequire } from 'node:module';
import { setTimeout as delay } from 'node:timers/promises';
import { ids } from './ids.ts';
import { otlpSettings } from './otlp/settings.ts';
import { recordWith } from './provider.ts';

/** Telemetry of a process. */
export type Telemetry = {
  /** Whether anything is exported. */
  readonly enabled: boolean;
  /** Sends what is left, for at most 2 s, and ends. */
  stop(): Promise<void>;
};

const FLUSH_MAX_MS = 2_000;

/**
 * Defaults of this project, where the environment says nothing. Spans leave after a second instead of five, so that a trace
 * can be looked at when its answer is there; a process's arguments, paths and owner are nobody's business.
 */
const DEFAULTS: Readonly<Record<string, string>> = {
  OTEL_BSP_SCHEDULE_DELAY: '1000',
  OTEL_NODE_RESOURCE_DETECTORS: 'env,serviceinstance',
  // No baggage: what a stranger writes there would travel through the whole mesh.
  OTEL_PROPAGATORS: 'tracecontext',
};

/**
 * Starts exporting spans, and metrics where a metrics endpoint or exporter is named too. `pg` is instrumented: each statement
 * made for a call is a child of its span, with the statement's text and never its values.
 *
 * Call it before anything else is started. With neither `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`
 * nor `OTEL_TRACES_EXPORTER`, or with `OTEL_SDK_DISABLED=true`, it does nothing.
 */
export async function startTelemetry(options: { readonly workload: string }): Promise<Telemetry> {
  const env = process.env;
  const wanted = env.OTEL_EXPORTER_OTLP_ENDPOINT || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_TRACES_EXPORTER;
  if (!wanted || env.OTEL_SDK_DISABLED === 'true') {
    return { enabled: false, stop: async () => {} };
  }
  for (const [name, value] of Object.entries(DEFAULTS)) {
    env[name] ??= value;
  }
  const [{ NodeSDK }, { PgInstrumentation }, { OtlpProcessor }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/instrumentation-pg'),
    import('./otlp/processor.ts'),
  ]);
  const otlp = otlpSettings(env);
  const processor = otlp === undefined ? undefined : new OtlpProcessor(otlp);
  const metricsWanted = env.OTEL_EXPORTER_OTLP_METRICS_ENDPOINT || env.OTEL_METRICS_EXPORTER;
  const sdk = new NodeSDK({
    ...(env.OTEL_SERVICE_NAME ? {} : { serviceName: options.workload }),
    instrumentations: [
      new PgInstrumentation({ requireParentSpan: true, ignoreConnectSpans: true, enhancedDatabaseReporting: false }),
    ],
    // Logs stay on standard error.
    logRecordProcessors: [],
    ...(metricsWanted ? {} : { metricReaders: [] }),
    ...(processor === undefined ? {} : { spanProcessors: [processor], idGenerator: ids }),
  });
  if (otlp !== undefined && processor !== undefined) {
    recordWith(processor, otlp.sampled, () => sdk.start());
  } else {
    sdk.start();
  }
  // The instrumentation patches what `require` loads; an `import` of pg shares the patched classes.
  createRequire(import.meta.url)('pg');
  return {
    enabled: true,
    async stop() {
      const abort = new AbortController();
      const flushed = sdk.shutdown().catch(() => {});
      await Promise.race([flushed, delay(FLUSH_MAX_MS, undefined, { signal: abort.signal }).catch(() => {})]);
      abort.abort();
    },
  };
}
