/** An OpenTelemetry collector for tests: takes OTLP over HTTP in binary protobuf at any path, and keeps what it was sent. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { decodeExport } from '../../services/console/src/otlp/messages.ts';
import { type StoredSpan, spansOf } from '../../services/console/src/traces/span.ts';

export type Collector = {
  readonly url: string;
  /** Spans that arrived at a path. */
  spansAt(path: string): StoredSpan[];
  /** The bytes that arrived at a path, one character a byte: names in them can be searched for. */
  textAt(path: string): string;
  end(): Promise<void>;
};

export async function startCollector(): Promise<Collector> {
  const bodies = new Map<string, Buffer[]>();
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    const plain = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
    const path = request.url ?? '';
    bodies.set(path, [...(bodies.get(path) ?? []), plain]);
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const at = (path: string) => bodies.get(path) ?? [];
  return {
    url: `http://127.0.0.1:${port}`,
    spansAt: (path) => at(path).flatMap((body) => spansOf(decodeExport(body))),
    textAt: (path) => Buffer.concat(at(path)).toString('latin1'),
    end: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
