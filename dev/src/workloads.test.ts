/** What the processes of a mesh are told; that they run on it, mesh.test.ts and the end-to-end tests show. */
import { expect, test } from 'vitest';
import { metricsExporter, userCollector } from './workloads.ts';

const general = 'http://collector:4318';
const traces = 'http://traces:4318';

test.each([
  [{}, undefined],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: general }, general],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${traces}/v1/traces` }, traces],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: general, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${traces}/v1/traces` }, traces],
])('traces are passed on as %j says', (variables, collector) => {
  expect(userCollector(variables)).toBe(collector);
});

test.each([
  [{}, 'none'],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: general }, 'otlp'],
  [{ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${general}/v1/metrics` }, 'otlp'],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${traces}/v1/traces` }, 'none'],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: general, OTEL_METRICS_EXPORTER: 'none' }, 'none'],
  [{ OTEL_METRICS_EXPORTER: 'console' }, 'console'],
])('metrics leave as %j says', (variables, exporter) => {
  expect(metricsExporter(variables)).toBe(exporter);
});
