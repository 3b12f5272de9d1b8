/**
 * A collector for the tests of the exporter: reads OTLP in Protobuf by a description of its own, and answers as it is told.
 */

import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fromBinary, type JsonObject, toJson } from '@bufbuild/protobuf';
import { describeFile } from '../../wire/describe.ts';

const file = describeFile({
  name: 'weft/test/otlp.proto',
  package: 'p',
  messages: {
    Export: { fields: { resource_spans: '1 repeated .p.ResourceSpans' } },
    ResourceSpans: {
      fields: { resource: '1 .p.Resource', scope_spans: '2 repeated .p.ScopeSpans', schema_url: '3 string' },
    },
    Resource: { fields: { attributes: '1 repeated .p.KeyValue' } },
    ScopeSpans: { fields: { scope: '1 .p.Scope', spans: '2 repeated .p.Span', schema_url: '3 string' } },
    Scope: { fields: { name: '1 string', version: '2 string' } },
    Span: {
      fields: {
        trace_id: '1 bytes',
        span_id: '2 bytes',
        trace_state: '3 string',
        parent_span_id: '4 bytes',
        name: '5 string',
        kind: '6 int32',
        start_time_unix_nano: '7 fixed64',
        end_time_unix_nano: '8 fixed64',
        attributes: '9 repeated .p.KeyValue',
        dropped_attributes_count: '10 uint32',
        events: '11 repeated .p.Event',
        dropped_events_count: '12 uint32',
        links: '13 repeated .p.Link',
        dropped_links_count: '14 uint32',
        status: '15 .p.Status',
      },
    },
    Event: {
      fields: {
        time_unix_nano: '1 fixed64',
        name: '2 string',
        attributes: '3 repeated .p.KeyValue',
        dropped_attributes_count: '4 uint32',
      },
    },
    Link: {
      fields: {
        trace_id: '1 bytes',
        span_id: '2 bytes',
        trace_state: '3 string',
        attributes: '4 repeated .p.KeyValue',
        dropped_attributes_count: '5 uint32',
      },
    },
    Status: { fields: { message: '2 string', code: '3 int32' } },
    KeyValue: { fields: { key: '1 string', value: '2 .p.AnyValue' } },
    AnyValue: {
      fields: {
        string_value: '1 string in value',
        bool_value: '2 bool in value',
        int_value: '3 int64 in value',
        double_value: '4 double in value',
        array_value: '5 .p.ArrayValue in value',
        kvlist_value: '6 .p.KeyValueList in value',
        bytes_value: '7 bytes in value',
      },
    },
    ArrayValue: { fields: { values: '1 repeated .p.AnyValue' } },
    KeyValueList: { fields: { values: '1 repeated .p.KeyValue' } },
  },
});
const [exportSchema] = file.messages;

type Scopes = {
  readonly resource: JsonObject;
  readonly scopeSpans: readonly { scope: JsonObject; spans: JsonObject[] }[];
};
export type Collected = { readonly path: string; readonly headers: IncomingHttpHeaders; readonly spans: JsonObject[] };

/** Starts a collector on a free port of the loopback. */
export async function startCollector(answer: (response: ServerResponse, count: number) => void = ok) {
  const requests: Collected[] = [];
  const resources: Scopes[] = [];
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    const read = readExport(body);
    resources.push(...read);
    const spans = read.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
    requests.push({ path: request.url ?? '', headers: request.headers, spans });
    answer(response, requests.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    resources,
    spans: () => requests.flatMap(({ spans }) => spans),
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function ok(response: ServerResponse): void {
  response.end();
}

/** An export in the JSON of Protobuf: bytes in base64, 64-bit numbers as strings. */
export function readExport(body: Uint8Array): Scopes[] {
  if (exportSchema === undefined) {
    throw new Error('nothing is described');
  }
  const json = toJson(exportSchema, fromBinary(exportSchema, body)) as { resourceSpans?: Scopes[] };
  return json.resourceSpans ?? [];
}
