// Telemetry is global to a process, so this file holds the one whose calls are recorded without the SDK: whether anybody can tell.

import type { JsonObject } from '@bufbuild/protobuf';
import { ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { trace } from '@opentelemetry/api';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { EchoService, echoPolicy } from '../../test/echo.ts';
import { serveEcho } from '../../test/echo-server.ts';
import { connect } from '../client/connect.ts';
import { closeEgress } from '../client/egress.ts';
import { fail } from '../errors/fail.ts';
import type { RunningServer } from '../server/serve.ts';
import { startCollector } from './otlp/testing.ts';
import { startTelemetry, type Telemetry } from './start.ts';

const PARENT_ID = 'b7ad6b7169203331';
const SERVER = 2;
const CLIENT = 3;

let collector: Awaited<ReturnType<typeof startCollector>>;
let telemetry: Telemetry;
let callee: RunningServer;
let caller: RunningServer;
let traces = 0;

beforeAll(async () => {
  collector = await startCollector();
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url);
  vi.stubEnv('OTEL_METRICS_EXPORTER', 'none');
  vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '20');
  telemetry = await startTelemetry({ workload: 'echo' });
  callee = await serveEcho({
    echo: ({ text }) => {
      if (text === 'refused') throw fail('ITEM_NOT_FOUND');
      if (text === 'broken') throw new Error('a fault');
      return { text };
    },
  });
  const client = connect(EchoService, { egress: callee.address, policy: echoPolicy });
  caller = await serveEcho({
    echo: async ({ text }) => {
      if (text === 'plain') {
        return { text };
      }
      if (text === 'touched') {
        await new Promise(setImmediate);
        trace.getActiveSpan()?.setAttribute('touched', true).addEvent('looked at');
        return trace.getTracer('of a user').startActiveSpan('inner', async (span) => {
          const answer = await client.echo({ text });
          span.end();
          return answer;
        });
      }
      return client.echo({ text });
    },
  });
});
afterAll(async () => {
  await Promise.all([caller.close(), callee.close()]);
  closeEgress();
  await telemetry.stop();
  await collector.stop();
  vi.unstubAllEnvs();
});

/** Calls under a trace of its own, and gives that trace's spans. */
async function spansOf(text: string, count: number, header?: Record<string, string>) {
  traces += 1;
  const traceId = traces.toString(16).padStart(32, 'a');
  const client = createClient(EchoService, createGrpcTransport({ baseUrl: `http://${caller.address}` }));
  const headers = { traceparent: `00-${traceId}-${PARENT_ID}-01`, ...header };
  await client.echo({ text }, { headers }).catch((error) => expect(error).toBeInstanceOf(ConnectError));
  const id = Buffer.from(traceId, 'hex').toString('base64');
  const spans = () => collector.spans().filter((span) => span.traceId === id);
  await vi.waitFor(() => expect(spans().length).toBe(count), { timeout: 10_000 });
  return spans();
}

function childOf(spans: readonly JsonObject[], parent: JsonObject | undefined): JsonObject | undefined {
  return spans.find((span) => span.parentSpanId === parent?.spanId);
}

const ROOT_ID = { spanId: Buffer.from(PARENT_ID, 'hex').toString('base64') };
const attribute = (key: string, stringValue: string) => ({ key, value: { stringValue } });

test('a call that nobody looks at is a span as the SDK would make it', async () => {
  const before = Date.now();
  const [span] = await spansOf('plain', 1, { tracestate: 'a=1' });
  expect(span).toMatchObject({
    parentSpanId: ROOT_ID.spanId,
    traceState: 'a=1',
    name: 'weft.test.v1.EchoService/Echo',
    kind: SERVER,
    attributes: [
      attribute('rpc.system.name', 'grpc'),
      attribute('rpc.method', 'weft.test.v1.EchoService/Echo'),
      attribute('rpc.response.status_code', 'OK'),
    ],
  });
  expect(span).not.toHaveProperty('status');
  const [start, end] = [BigInt(String(span?.startTimeUnixNano)), BigInt(String(span?.endTimeUnixNano))];
  expect(end).toBeGreaterThanOrEqual(start);
  expect(start).toBeGreaterThanOrEqual(BigInt(before) * 1_000_000n);
  expect(end).toBeLessThanOrEqual(BigInt(Date.now() + 1) * 1_000_000n);
});

test('a call that calls is its parent', async () => {
  const spans = await spansOf('onward', 3);
  const first = childOf(spans, ROOT_ID);
  const asked = childOf(spans, first);
  expect(asked).toMatchObject({ kind: CLIENT });
  expect(childOf(spans, asked)).toMatchObject({ kind: SERVER });
  expect(asked?.attributes).toContainEqual(expect.objectContaining({ key: 'server.address' }));
});

test('a handler finds the span of its call, and its own spans stand between', async () => {
  const spans = await spansOf('touched', 4);
  const first = childOf(spans, ROOT_ID);
  expect(first?.attributes).toContainEqual({ key: 'touched', value: { boolValue: true } });
  expect(first?.attributes).toContainEqual(attribute('rpc.response.status_code', 'OK'));
  expect(first?.events).toMatchObject([{ name: 'looked at' }]);
  const inner = childOf(spans, first);
  expect(inner?.name).toBe('inner');
  const asked = childOf(spans, inner);
  expect(asked).toMatchObject({ kind: CLIENT });
  expect(childOf(spans, asked)).toMatchObject({ kind: SERVER });
  const [start, end] = [BigInt(String(first?.startTimeUnixNano)), BigInt(String(first?.endTimeUnixNano))];
  expect(end).toBeGreaterThan(start);
});

test('a failure is told by both sides, and is a fault of those it is one of', async () => {
  const refused = await spansOf('refused', 3);
  const first = childOf(refused, ROOT_ID);
  const asked = childOf(refused, first);
  expect(first?.status).toBeUndefined();
  expect(first?.attributes).toContainEqual(attribute('weft.reason', 'ITEM_NOT_FOUND'));
  expect(asked).toMatchObject({ status: { code: 2 } });
  expect(asked?.attributes).toContainEqual(attribute('error.type', 'ITEM_NOT_FOUND'));
  const broken = await spansOf('broken', 3);
  const answered = childOf(broken, childOf(broken, childOf(broken, ROOT_ID)));
  expect(answered).toMatchObject({ kind: SERVER, status: { code: 2 } });
});

test('a call without a trace begins one', async () => {
  const before = collector.spans().length;
  const client = connect(EchoService, { egress: callee.address, policy: echoPolicy });
  await client.echo({ text: 'alone' });
  await vi.waitFor(() => expect(collector.spans().length).toBe(before + 2), { timeout: 10_000 });
  const spans = collector.spans().slice(before);
  const asked = spans.find((span) => span.kind === CLIENT);
  expect(asked).not.toHaveProperty('parentSpanId');
  expect(childOf(spans, asked)).toMatchObject({ kind: SERVER, traceId: asked?.traceId });
});

test('what the caller does not sample is not recorded, here or beyond', async () => {
  await spansOf('onward', 0, { traceparent: `00-${'c'.repeat(32)}-${PARENT_ID}-00` });
  await spansOf('touched', 0, { traceparent: `00-${'c'.repeat(32)}-${PARENT_ID}-00` });
  await spansOf('plain', 1);
  const id = Buffer.from('c'.repeat(32), 'hex').toString('base64');
  expect(collector.spans().filter(({ traceId }) => traceId === id)).toEqual([]);
});
