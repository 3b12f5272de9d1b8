/**
 * OpenTelemetry's trace export messages: wire compatible with opentelemetry/proto/collector/trace/v1, described by field
 * numbers (https://github.com/open-telemetry/opentelemetry-proto) rather than copied, and only the fields that the
 * console reads. Unknown fields are skipped by the decoder.
 */

import { fromBinary, type Message } from '@bufbuild/protobuf';
import { type GenMessage, messageDesc } from '@bufbuild/protobuf/codegenv2';
import { describeFile } from '@weft/runtime/wire/describe';

/** A value of an attribute. */
export type AnyValue = Message<'weft.otlp.AnyValue'> & {
  value:
    | { case: 'stringValue'; value: string }
    | { case: 'boolValue'; value: boolean }
    | { case: 'intValue'; value: bigint }
    | { case: 'doubleValue'; value: number }
    | { case: 'arrayValue'; value: Message & { values: AnyValue[] } }
    | { case: 'bytesValue'; value: Uint8Array }
    | { case: undefined; value?: undefined };
};

/** An attribute. */
export type KeyValue = Message<'weft.otlp.KeyValue'> & { key: string; value?: AnyValue };

/** A span as it was exported. Ids are raw bytes; times are nanoseconds since the epoch. */
export type OtlpSpan = Message<'weft.otlp.Span'> & {
  traceId: Uint8Array;
  spanId: Uint8Array;
  parentSpanId: Uint8Array;
  name: string;
  /** 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number;
  startTimeUnixNano: bigint;
  endTimeUnixNano: bigint;
  attributes: KeyValue[];
  /** `code` 2 is an error. */
  status?: Message & { message: string; code: number };
};

/** Spans of one resource (a process). */
export type ResourceSpans = Message<'weft.otlp.ResourceSpans'> & {
  resource?: Message & { attributes: KeyValue[] };
  scopeSpans: (Message & { spans: OtlpSpan[] })[];
};

type ExportTraceServiceRequest = Message<'weft.otlp.ExportTraceServiceRequest'> & { resourceSpans: ResourceSpans[] };

const file = describeFile({
  name: 'weft/otlp.proto',
  package: 'weft.otlp',
  messages: {
    ExportTraceServiceRequest: { fields: { resource_spans: '1 repeated .weft.otlp.ResourceSpans' } },
    ResourceSpans: {
      fields: { resource: '1 .weft.otlp.Resource', scope_spans: '2 repeated .weft.otlp.ScopeSpans' },
    },
    Resource: { fields: { attributes: '1 repeated .weft.otlp.KeyValue' } },
    ScopeSpans: { fields: { spans: '2 repeated .weft.otlp.Span' } },
    Span: {
      fields: {
        trace_id: '1 bytes',
        span_id: '2 bytes',
        parent_span_id: '4 bytes',
        name: '5 string',
        kind: '6 int32',
        start_time_unix_nano: '7 fixed64',
        end_time_unix_nano: '8 fixed64',
        attributes: '9 repeated .weft.otlp.KeyValue',
        status: '15 .weft.otlp.Status',
      },
    },
    Status: { fields: { message: '2 string', code: '3 int32' } },
    KeyValue: { fields: { key: '1 string', value: '2 .weft.otlp.AnyValue' } },
    AnyValue: {
      fields: {
        string_value: '1 string in value',
        bool_value: '2 bool in value',
        int_value: '3 int64 in value',
        double_value: '4 double in value',
        array_value: '5 .weft.otlp.ArrayValue in value',
        bytes_value: '7 bytes in value',
      },
    },
    ArrayValue: { fields: { values: '1 repeated .weft.otlp.AnyValue' } },
  },
});

const ExportTraceServiceRequestSchema: GenMessage<ExportTraceServiceRequest> = messageDesc(file, 0);

/**
 * Reads the body of an export.
 *
 * @throws Error when the bytes are not such a message.
 */
export function decodeExport(body: Uint8Array): ResourceSpans[] {
  return fromBinary(ExportTraceServiceRequestSchema, body, { readUnknownFields: false }).resourceSpans;
}
