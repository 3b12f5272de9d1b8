/**
 * The durations of calls as metrics.
 */

import { createNoopMeter, type Histogram, metrics, SpanKind } from '@opentelemetry/api';

const INSTRUMENTATION = '@weft/runtime';
const NO_METER = createNoopMeter();

/** Histograms by kind of span: made at the first call, since the API gives no-ops to who asks before telemetry has started. */
const histograms = new Map<SpanKind, Histogram>();

/** Whether metrics go anywhere. */
export function isMetered(): boolean {
  return metrics.getMeter(INSTRUMENTATION) !== NO_METER;
}

let unmetered: unknown;

/** The histogram of one side's calls; undefined while nobody wants metrics. */
export function histogramOf(kind: SpanKind): Histogram | undefined {
  const made = histograms.get(kind);
  const provider = made === undefined ? metrics.getMeterProvider() : undefined;
  if (made !== undefined || provider === unmetered) {
    return made;
  }
  if (!isMetered()) {
    // Remembered, so that calls of a process without metrics do not make a meter each.
    unmetered = provider;
    return undefined;
  }
  const side = kind === SpanKind.SERVER ? 'server' : 'client';
  const histogram = metrics.getMeter(INSTRUMENTATION).createHistogram(`rpc.${side}.call.duration`, {
    unit: 's',
    description: `Duration of RPCs, ${side} side, by method and status.`,
    advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] },
  });
  histograms.set(kind, histogram);
  return histogram;
}
