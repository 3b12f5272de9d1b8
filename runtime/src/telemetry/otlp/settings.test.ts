// Which variables this exporter grants, and which it leaves to the SDK.

import { expect, test } from 'vitest';
import { otlpSettings } from './settings.ts';

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

test('has the defaults of the specification, and a second and more room', () => {
  expect(otlpSettings({ OTEL_TRACES_EXPORTER: 'otlp' })).toEqual({
    url: new URL('http://localhost:4318/v1/traces'),
    headers: {},
    timeoutMs: 10_000,
    delayMs: 1_000,
    queueMax: 16_384,
    batchMax: 512,
    sampled: { children: true, roots: true },
  });
});

test.each([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:1' }, 'http://a:1/v1/traces'],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://a/b/' }, 'https://a/b/v1/traces'],
  [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://b/at/all' }, 'http://b/at/all'],
  [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: '' }, 'http://collector:4318/v1/traces'],
])('sends to what %j names', (env, url) => {
  expect(otlpSettings(env)?.url.href).toBe(url);
});

test('takes what is said of traces before what is said of all', () => {
  expect(
    otlpSettings({
      ...ENDPOINT,
      OTEL_EXPORTER_OTLP_HEADERS: 'a=1, b = two%20words ,,=x',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'a=x=y,c=100%',
      OTEL_EXPORTER_OTLP_TIMEOUT: '1',
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '2500',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf',
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_BSP_MAX_QUEUE_SIZE: '100',
    }),
  ).toMatchObject({
    headers: { a: 'x=y', b: 'two words', c: '100%' },
    timeoutMs: 2_500,
    delayMs: 50,
    queueMax: 100,
    batchMax: 100,
  });
});

test.each(['', '0', '-1', 'soon'])('takes the default for a number of %j', (text) => {
  expect(otlpSettings({ ...ENDPOINT, OTEL_BSP_SCHEDULE_DELAY: text })?.delayMs).toBe(1_000);
});

test('does not mind what is said of metrics and logs', () => {
  const others = { OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_LOGS_HEADERS: 'a=b' };
  expect(otlpSettings({ ...ENDPOINT, ...others, OTEL_METRICS_EXPORTER: 'prometheus' })).toBeDefined();
});

test.each([
  { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
  { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' },
  { OTEL_TRACES_EXPORTER: 'console' },
  { OTEL_TRACES_EXPORTER: 'otlp,zipkin' },
  { OTEL_TRACES_EXPORTER: 'none' },
  { OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' },
  { OTEL_EXPORTER_OTLP_CERTIFICATE: '/ca.pem' },
  { OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: '/key.pem' },
  { OTEL_BSP_EXPORT_TIMEOUT: '1000' },
  { OTEL_NODE_EXPERIMENTAL_SDK_METRICS: 'true' },
  { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'nowhere' },
  { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'ftp://collector' },
])('leaves %j to the SDK', (env) => {
  expect(otlpSettings({ ...ENDPOINT, ...env })).toBeUndefined();
});

test.each([
  [{}, { children: true, roots: true }],
  [{ OTEL_TRACES_SAMPLER: 'always_on' }, { children: true, roots: true }],
  [{ OTEL_TRACES_SAMPLER: 'always_off' }, { children: false, roots: false }],
  [{ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, { children: true, roots: false }],
  [{ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio' }, { children: true, roots: undefined }],
  [{ OTEL_TRACES_SAMPLER: 'traceidratio' }, { children: undefined, roots: undefined }],
  [{ OTEL_TRACES_SAMPLER: 'another' }, { children: undefined, roots: undefined }],
  [{ OTEL_ATTRIBUTE_COUNT_LIMIT: '2' }, { children: undefined, roots: undefined }],
  [{ OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: '9' }, { children: undefined, roots: undefined }],
])('knows of %j which spans are sampled', (env, sampled) => {
  expect(otlpSettings({ ...ENDPOINT, ...env })?.sampled).toEqual(sampled);
});
