// Whether every span arrives in full, and whether a collector in trouble is only its own trouble.

import { setTimeout as delay } from 'node:timers/promises';
import {
  type Context,
  createTraceState,
  type Link,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { OtlpProcessor } from './processor.ts';
import { type OtlpSettings, otlpSettings } from './settings.ts';
import { ok, startCollector } from './testing.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';
const base64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');

afterEach(() => {
  vi.restoreAllMocks();
});

/** A tracer whose spans go to this processor; the SDK is not the process's own. */
async function tracing(url: string, changes: Partial<OtlpSettings> = {}) {
  const settings = otlpSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: url });
  if (settings === undefined) throw new Error('these settings are for the SDK');
  const processor = new OtlpProcessor({ ...settings, ...changes });
  let tracer: Tracer | undefined;
  const set = vi.spyOn(trace, 'setGlobalTracerProvider').mockImplementation((provider) => {
    tracer = provider.getTracer('a scope', '1.2.3');
    return true;
  });
  new NodeSDK({
    autoDetectResources: false,
    serviceName: 'a service',
    metricReaders: [],
    logRecordProcessors: [],
    contextManager: null as never,
    textMapPropagator: null,
    spanProcessors: [processor],
  }).start();
  set.mockRestore();
  if (tracer === undefined) throw new Error('the SDK has no tracer');
  return { processor, tracer };
}

function end(tracer: Tracer, spans: number, attribute = ''): void {
  for (let index = 0; index < spans; index++) {
    tracer.startSpan(`span ${index}`, { attributes: { attribute } }).end();
  }
}

function parent(): Context {
  const traceState = createTraceState('a=1,b=2');
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId: TRACE_ID,
    spanId: PARENT_ID,
    traceFlags: 1,
    isRemote: true,
    traceState,
  });
}

test('a span arrives with all that it has', async () => {
  const collector = await startCollector();
  onTestFinished(() => collector.stop());
  const { processor, tracer } = await tracing(`${collector.url}/`);
  const link: Link = {
    context: { traceId: TRACE_ID, spanId: PARENT_ID, traceFlags: 1 },
    attributes: { why: 'linked' },
  };
  const long = 'ü€😀'.repeat(3_000);
  const attributes = {
    text: 'words',
    long,
    empty: '',
    yes: true,
    no: false,
    whole: 42,
    negative: -1,
    large: 2 ** 53,
    broken: 0.5,
    texts: ['a', 'b'],
    numbers: [1, -2.5],
    nothings: [null, 'x'],
  };
  const startTime: [number, number] = [1_799_999_999, 999_999_999];
  const span = tracer.startSpan('a name', { kind: SpanKind.CLIENT, attributes, links: [link], startTime }, parent());
  span.addEvent('an event', { at: 'once' }, [1_800_000_000, 1]);
  span.setStatus({ code: SpanStatusCode.ERROR, message: 'broken' });
  span.end([1_800_000_000, 4_294_967]);
  tracer.startSpan('plain', {}, ROOT_CONTEXT).end();
  await processor.shutdown();

  const [full, plain] = collector.spans();
  expect(full).toEqual({
    traceId: base64(TRACE_ID),
    spanId: base64(span.spanContext().spanId),
    parentSpanId: base64(PARENT_ID),
    traceState: 'a=1,b=2',
    name: 'a name',
    kind: 3,
    startTimeUnixNano: '1799999999999999999',
    endTimeUnixNano: '1800000000004294967',
    attributes: [
      { key: 'text', value: { stringValue: 'words' } },
      { key: 'long', value: { stringValue: long } },
      { key: 'empty', value: { stringValue: '' } },
      { key: 'yes', value: { boolValue: true } },
      { key: 'no', value: { boolValue: false } },
      { key: 'whole', value: { intValue: '42' } },
      { key: 'negative', value: { intValue: '-1' } },
      { key: 'large', value: { intValue: String(2 ** 53) } },
      { key: 'broken', value: { doubleValue: 0.5 } },
      { key: 'texts', value: { arrayValue: { values: [{ stringValue: 'a' }, { stringValue: 'b' }] } } },
      { key: 'numbers', value: { arrayValue: { values: [{ intValue: '1' }, { doubleValue: -2.5 }] } } },
      { key: 'nothings', value: { arrayValue: { values: [{}, { stringValue: 'x' }] } } },
    ],
    events: [
      {
        name: 'an event',
        timeUnixNano: '1800000000000000001',
        attributes: [{ key: 'at', value: { stringValue: 'once' } }],
      },
    ],
    links: [
      {
        traceId: base64(TRACE_ID),
        spanId: base64(PARENT_ID),
        attributes: [{ key: 'why', value: { stringValue: 'linked' } }],
      },
    ],
    status: { message: 'broken', code: 2 },
  });
  expect(plain).not.toHaveProperty('parentSpanId');
  expect(plain).not.toHaveProperty('status');
  const [{ resource, scopeSpans } = { resource: undefined, scopeSpans: [] }] = collector.resources;
  expect(resource?.attributes).toContainEqual({ key: 'service.name', value: { stringValue: 'a service' } });
  expect(scopeSpans.map(({ scope }) => scope)).toEqual([{ name: 'a scope', version: '1.2.3' }]);
  expect(collector.requests[0]?.path).toBe('/v1/traces');
  expect(collector.requests[0]?.headers['content-type']).toBe('application/x-protobuf');
});

test('many spans arrive, each once, in batches', async () => {
  const collector = await startCollector();
  onTestFinished(() => collector.stop());
  const { processor, tracer } = await tracing(collector.url, { delayMs: 20 });
  for (let round = 0; round < 10; round++) {
    end(tracer, 1_000);
    await delay(10);
  }
  await processor.forceFlush();
  expect(new Set(collector.spans().map(({ spanId }) => spanId)).size).toBe(10_000);
  expect(collector.spans().length).toBe(10_000);
  expect(Math.max(...collector.requests.map(({ spans }) => spans.length))).toBe(512);
  await processor.shutdown();
});

test('spans leave after the delay, without being asked to', async () => {
  const collector = await startCollector();
  onTestFinished(() => collector.stop());
  const { processor, tracer } = await tracing(collector.url, { delayMs: 20 });
  end(tracer, 3);
  await vi.waitFor(() => expect(collector.spans().length).toBe(3), { timeout: 5_000 });
  await processor.shutdown();
});

test('an export that is refused for now is tried again, when the collector says', async () => {
  const collector = await startCollector((response, count) => {
    if (count === 1) response.writeHead(503, { 'retry-after': '0' }).end();
    else if (count === 2) response.destroy();
    else ok(response);
  });
  onTestFinished(() => collector.stop());
  const { processor, tracer } = await tracing(collector.url);
  end(tracer, 1);
  void processor.forceFlush();
  await vi.waitFor(() => expect(collector.requests.length).toBe(3), { timeout: 5_000 });
  await processor.shutdown();
});

test('an export that is refused for good is not tried again, and is told of once', async () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const collector = await startCollector((response) => void response.writeHead(400).end());
  onTestFinished(() => collector.stop());
  const { processor, tracer } = await tracing(collector.url);
  for (let round = 0; round < 3; round++) {
    end(tracer, 2);
    await processor.forceFlush();
  }
  await processor.shutdown();
  expect(collector.requests.length).toBe(3);
  const lines = written.mock.calls.map(([line]) => String(line)).filter((line) => line.includes('spans were lost'));
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ spans: 2, reason: 'the collector answered 400' }]);
});

test.each([
  ['is down', undefined],
  ['never answers', () => {}],
])('a collector that %s costs spans, never memory or time to leave', async (_, answer) => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const collector = await startCollector(answer);
  if (answer === undefined) await collector.stop();
  else onTestFinished(() => collector.stop());
  const { processor, tracer } = await tracing(collector.url, { queueMax: 1_000, batchMax: 100 });
  const before = process.memoryUsage();
  end(tracer, 2_000, 'x'.repeat(10_000));
  const after = process.memoryUsage();
  // A thousand spans of 10 kB wait, and one batch is under way; the other thousand is dropped.
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(64 * 1024 * 1024);
  const start = performance.now();
  await processor.shutdown();
  expect(performance.now() - start).toBeLessThan(2_500);
});

test('after the end nothing is taken any more', async () => {
  const collector = await startCollector();
  onTestFinished(() => collector.stop());
  const { processor, tracer } = await tracing(collector.url);
  end(tracer, 1);
  await processor.shutdown();
  end(tracer, 1);
  await processor.forceFlush();
  expect(collector.spans().length).toBe(1);
});

test('a span that cannot be written is lost alone', async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const collector = await startCollector();
  onTestFinished(() => collector.stop());
  const { processor, tracer } = await tracing(collector.url);
  end(tracer, 1);
  const broken = tracer.startSpan('broken');
  Object.defineProperty(broken, 'events', {
    get() {
      throw new Error('no');
    },
  });
  broken.end();
  end(tracer, 1);
  await processor.shutdown();
  expect(collector.spans().map(({ name }) => name)).toEqual(['span 0', 'span 0']);
});
