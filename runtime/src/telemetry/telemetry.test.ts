// Telemetry is global to a process, so this one file holds the process in which it is on.

import { type CallOptions, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { EchoService, echoPolicy } from '../../test/echo.ts';
import { serveEcho } from '../../test/echo-server.ts';
import { attribute, startOtlpReceiver } from '../../test/otlp.ts';
import { startTestPostgres, type TestPostgres } from '../../test/postgres.ts';
import { connect } from '../client/connect.ts';
import { closeEgress } from '../client/egress.ts';
import { fail } from '../errors/fail.ts';
import type { RunningServer } from '../server/serve.ts';
import { startTelemetry, type Telemetry } from './start.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';
const SERVER = 2;
const CLIENT = 3;
const SECRET = 'a-secret-parameter';

let receiver: Awaited<ReturnType<typeof startOtlpReceiver>>;
let postgres: TestPostgres;
let pool: pg.Pool;
let telemetry: Telemetry;
let callee: RunningServer;
let caller: RunningServer;
/** What the callee was last sent beside the trace. */
let baggage: string | null | undefined;

beforeAll(async () => {
  [receiver, postgres] = await Promise.all([startOtlpReceiver(), startTestPostgres()]);
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', receiver.url);
  vi.stubEnv('OTEL_EXPORTER_OTLP_PROTOCOL', 'http/json');
  vi.stubEnv('OTEL_METRICS_EXPORTER', 'otlp');
  vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '50');
  telemetry = await startTelemetry({ workload: 'echo' });
  pool = new pg.Pool({ connectionString: postgres.url(), max: 1 });
  callee = await serveEcho({
    async *count() {
      yield {};
      await new Promise(() => {});
    },
    echo: async ({ text }, { requestHeader }) => {
      baggage = requestHeader.get('baggage');
      const { rows } = await pool.query('select $1::text as text', [text]);
      return { text: rows[0].text };
    },
  });
  const client = connect(EchoService, { egress: callee.address, policy: echoPolicy });
  caller = await serveEcho({
    echo: async ({ text, count }) => {
      if (count > 0) {
        throw fail('ITEM_NOT_FOUND');
      }
      return client.echo({ text });
    },
  });
});
afterAll(async () => {
  await Promise.all([caller.close(), callee.close(), pool.end()]);
  closeEgress();
  await telemetry.stop();
  await Promise.all([receiver.stop(), postgres.stop()]);
  vi.unstubAllEnvs();
});

async function call(text: string, count: number, options: CallOptions = {}) {
  const client = createClient(EchoService, createGrpcTransport({ baseUrl: `http://${caller.address}` }));
  const headers = { traceparent: `00-${TRACE_ID}-${PARENT_ID}-01` };
  return client.echo({ text, count }, { headers, ...options });
}

test('a call through two processes and a statement is one connected trace, without values', async () => {
  let traceHeader: string | null = null;
  await call(SECRET, 0, {
    onHeader: (headers) => {
      traceHeader = headers.get('x-weft-trace-id');
    },
  });
  expect(traceHeader).toBe(TRACE_ID);

  await vi.waitFor(() => expect(receiver.spans.length).toBeGreaterThanOrEqual(4), { timeout: 10_000 });
  const first = receiver.spans.find((span) => span.parentSpanId === PARENT_ID);
  expect(first).toMatchObject({ traceId: TRACE_ID, kind: SERVER, name: 'weft.test.v1.EchoService/Echo' });
  const asked = receiver.spans.find((span) => span.kind === CLIENT && span.parentSpanId === first?.spanId);
  expect(asked?.name).toBe('weft.test.v1.EchoService/Echo');
  const answered = receiver.spans.find((span) => span.kind === SERVER && span.parentSpanId === asked?.spanId);
  expect(answered).toBeDefined();
  const statement = receiver.spans.find((span) => span.parentSpanId === answered?.spanId);
  expect(JSON.stringify(statement)).toContain('select $1::text');
  expect(receiver.spans.every((span) => span.traceId === TRACE_ID)).toBe(true);

  expect(attribute(first, 'rpc.system.name')).toBe('grpc');
  expect(attribute(first, 'rpc.response.status_code')).toBe('OK');
  expect(JSON.stringify(receiver.spans)).not.toContain(SECRET);
});

test('what a caller writes as baggage goes no further', async () => {
  const client = createClient(EchoService, createGrpcTransport({ baseUrl: `http://${caller.address}` }));
  await client.echo({ text: 'x' }, { headers: { baggage: 'stranger=here' } });
  expect(baggage).toBeNull();
});

test("a span tells the error's reason, and an error of the caller's is not marked as the server's fault", async () => {
  await call('x', 1).catch(() => {});
  const failed = () => receiver.spans.find((span) => attribute(span, 'weft.reason') === 'ITEM_NOT_FOUND');
  await vi.waitFor(() => expect(failed()).toBeDefined(), { timeout: 10_000 });
  expect(attribute(failed(), 'rpc.response.status_code')).toBe('NOT_FOUND');
  expect(failed()?.status.code ?? 0).toBe(0);
});

test('a stream that its reader leaves has a finished span too', async () => {
  for await (const _ of connect(EchoService, { egress: callee.address, policy: echoPolicy }).count({ count: 2 })) {
    break;
  }
  const left = () => receiver.spans.find((span) => span.kind === CLIENT && span.name.endsWith('/Count'));
  await vi.waitFor(() => expect(left()).toBeDefined(), { timeout: 10_000 });
});

test('statements outside of a call make no spans', async () => {
  const before = receiver.spans.length;
  await pool.query('select 42');
  await call('marker', 0);
  await vi.waitFor(() => expect(receiver.spans.length).toBeGreaterThanOrEqual(before + 4), { timeout: 10_000 });
  expect(JSON.stringify(receiver.spans)).not.toContain('select 42');
});

test('durations are exported by method and status', async () => {
  await telemetry.stop();
  const exported = receiver.metrics.join();
  expect(exported).toContain('rpc.server.call.duration');
  expect(exported).toContain('rpc.client.call.duration');
  expect(exported).toContain('NOT_FOUND');
});
