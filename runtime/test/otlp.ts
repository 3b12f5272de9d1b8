/**
 * An OTLP/HTTP receiver for tests: keeps the spans it is sent, as JSON.
 */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type ReceivedSpan = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: readonly { key: string; value: Record<string, unknown> }[];
  readonly status: { code?: number };
};

/** Starts the receiver on a free port of the loopback. */
export async function startOtlpReceiver() {
  const spans: ReceivedSpan[] = [];
  const metrics: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    const body = JSON.parse(Buffer.concat(chunks).toString());
    if (request.url === '/v1/traces') {
      for (const { scopeSpans } of body.resourceSpans) {
        spans.push(...scopeSpans.flatMap((scope: { spans: ReceivedSpan[] }) => scope.spans));
      }
    } else {
      metrics.push(JSON.stringify(body));
    }
    response.setHeader('content-type', 'application/json').end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    /** Bodies of metric exports. */
    metrics,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The value of a span's attribute. */
export function attribute(span: ReceivedSpan | undefined, key: string): unknown {
  const value = span?.attributes.find((one) => one.key === key)?.value;
  return value === undefined ? undefined : Object.values(value)[0];
}
