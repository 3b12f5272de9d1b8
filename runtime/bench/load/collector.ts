/** A collector of telemetry: takes what is exported by OTLP over HTTP in Protobuf, and counts the spans. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fromBinary, type Message } from '@bufbuild/protobuf';
import { type GenMessage, messageDesc } from '@bufbuild/protobuf/codegenv2';
import { describeFile } from '../../src/wire/describe.ts';

type Export = Message & { resourceSpans: { scopeSpans: { spans: Uint8Array[] }[] }[] };

/** The way to the spans in an ExportTraceServiceRequest (opentelemetry-proto, trace_service.proto); spans stay bytes. */
const ExportSchema: GenMessage<Export> = messageDesc(
  describeFile({
    name: 'weft/bench/v1/export.proto',
    package: 'weft.bench.v1',
    messages: {
      Export: { fields: { resource_spans: '1 repeated .weft.bench.v1.ResourceSpans' } },
      ResourceSpans: { fields: { scope_spans: '2 repeated .weft.bench.v1.ScopeSpans' } },
      ScopeSpans: { fields: { spans: '2 repeated bytes' } },
    },
  }),
  0,
);

export type CollectorCommands = {
  url(): string;
  /** How many spans came so far, by the path in front of OTLP's own: each exporter has another. */
  spans(): ReadonlyMap<string, number>;
};

export async function start(): Promise<CollectorCommands> {
  const spans = new Map<string, number>();
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    const [, exporter, path] = /^\/([^/]+)(\/.*)$/.exec(request.url ?? '') ?? [];
    if (exporter !== undefined && path === '/v1/traces') {
      const scopes = fromBinary(ExportSchema, body).resourceSpans.flatMap(({ scopeSpans }) => scopeSpans);
      const came = scopes.reduce((sum, scope) => sum + scope.spans.length, 0);
      spans.set(exporter, (spans.get(exporter) ?? 0) + came);
    }
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: () => `http://127.0.0.1:${port}`, spans: () => spans };
}
