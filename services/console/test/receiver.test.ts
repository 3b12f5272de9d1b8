import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base';
import { SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { forwardTo } from '../src/otlp/forward.ts';
import { type Receiver, receiveOtlp } from '../src/otlp/receiver.ts';
import { type StoredSpan, spansOf } from '../src/traces/span.ts';

let receiver: Receiver;
let url: string;
let received: StoredSpan[];
let bodies: Uint8Array[];

beforeEach(async () => {
  received = [];
  bodies = [];
  receiver = await receiveOtlp({
    listen: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    onSpans: (resources) => received.push(...spansOf(resources)),
    onBody: (body) => bodies.push(body),
  });
  url = `http://127.0.0.1:${(receiver.address as AddressInfo).port}`;
});

afterEach(() => receiver.close());

async function exportSpans(endpoint: string, compression: CompressionAlgorithm): Promise<void> {
  const exporter = new OTLPTraceExporter({ url: `${endpoint}/v1/traces`, compression });
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const span = provider.getTracer('test').startSpan('weft.x.v1.S/M', { kind: SpanKind.SERVER });
  span.setAttributes({ text: 'ü', count: 7, share: 0.5, yes: true, list: ['a', 'b'], long: 'x'.repeat(2_000) });
  span.setStatus({ code: SpanStatusCode.ERROR, message: 'it failed' });
  span.end();
  await provider.forceFlush();
  await provider.shutdown();
}

describe.each([CompressionAlgorithm.NONE, CompressionAlgorithm.GZIP])(
  'what the OpenTelemetry SDK sends (%s)',
  (compression) => {
    test('arrives whole', async () => {
      await exportSpans(url, compression);
      expect(received).toHaveLength(1);
      const [span] = received;
      expect(span).toMatchObject({
        name: 'weft.x.v1.S/M',
        kind: 2,
        parentSpanId: '',
        failed: true,
        statusMessage: 'it failed',
      });
      expect(span?.traceId).toMatch(/^[0-9a-f]{32}$/);
      expect(span?.attributes).toMatchObject({ text: 'ü', count: '7', share: '0.5', yes: 'true', list: 'a, b' });
      expect(span?.attributes.long).toHaveLength(500);
    });
  },
);

describe('what is no export', () => {
  const post = (path: string, headers: Record<string, string>, body: Uint8Array<ArrayBuffer>) =>
    fetch(`${url}${path}`, { method: 'POST', headers, body });
  const protobuf = { 'content-type': 'application/x-protobuf' };

  test('is refused with a status that says why, and the receiver goes on', async () => {
    expect((await fetch(`${url}/v1/traces`)).status).toBe(405);
    expect((await post('/v1/metrics', protobuf, new Uint8Array())).status).toBe(404);
    expect((await post('/v1/traces', { 'content-type': 'application/json' }, new Uint8Array())).status).toBe(415);
    expect((await post('/v1/traces', { ...protobuf, 'content-encoding': 'br' }, new Uint8Array())).status).toBe(415);
    expect((await post('/v1/traces', protobuf, Uint8Array.of(0x0a, 0xff))).status).toBe(400);
    expect((await post('/v1/traces', { ...protobuf, 'content-encoding': 'gzip' }, Uint8Array.of(1, 2))).status).toBe(
      400,
    );
    expect((await post('/v1/traces', protobuf, new Uint8Array(4 * 1024 * 1024 + 1))).status).toBe(413);
    expect(received).toEqual([]);
    await exportSpans(url, CompressionAlgorithm.NONE);
    expect(received).toHaveLength(1);
  });

  test('a decompression bomb is not unpacked', async () => {
    const { gzipSync } = await import('node:zlib');
    const bomb = Uint8Array.from(gzipSync(Buffer.alloc(64 * 1024 * 1024)));
    expect((await post('/v1/traces', { ...protobuf, 'content-encoding': 'gzip' }, bomb)).status).toBe(400);
  });
});

describe('forwarding', () => {
  test('sends the same bytes on', async () => {
    const forwarded: Buffer[] = [];
    const other = createServer(async (request, response) => {
      expect(request.url).toBe('/v1/traces');
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      forwarded.push(Buffer.concat(chunks));
      response.end();
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    try {
      await exportSpans(url, CompressionAlgorithm.GZIP);
      const forward = forwardTo(`http://127.0.0.1:${(other.address() as AddressInfo).port}`);
      for (const body of bodies) forward(body);
      await expect.poll(() => forwarded.length).toBe(1);
      expect(Buffer.compare(forwarded[0] as Buffer, Buffer.from(bodies[0] as Uint8Array))).toBe(0);
    } finally {
      other.close();
      other.closeAllConnections();
    }
  });

  test('to nobody loses spans and nothing else', async () => {
    const forward = forwardTo('http://127.0.0.1:1');
    for (let i = 0; i < 1_000; i += 1) forward(new Uint8Array(10));
    await exportSpans(url, CompressionAlgorithm.NONE);
    expect(received).toHaveLength(1);
  });
});
