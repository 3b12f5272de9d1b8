/**
 * A span as the console keeps it: ids as hexadecimal text, attributes as bounded text. What an exporter sends is not
 * trusted: values are cut, and a span without proper ids is left out.
 */

import type { AnyValue, KeyValue, OtlpSpan, ResourceSpans } from '../otlp/messages.ts';

/** A span of a trace. */
export type StoredSpan = {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty at the root. */
  readonly parentSpanId: string;
  readonly name: string;
  /** The resource's `service.name`. */
  readonly serviceName: string;
  /** OTLP's and the contract's numbers are the same: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  /** Nanoseconds since the epoch. */
  readonly startNanos: bigint;
  readonly durationNanos: bigint;
  readonly failed: boolean;
  readonly statusMessage: string;
  readonly attributes: Readonly<Record<string, string>>;
};

/** Characters of a name, a status message or an attribute's value that are kept. */
const TEXT_MAX = 500;
/** Attributes of one span that are kept. */
const ATTRIBUTES_MAX = 48;
const STATUS_ERROR = 2;
const KIND_MAX = 5;
/** Signed 64-bit protobuf timestamps end here: year 9999, in nanoseconds. */
const NANOS_MAX = 253_402_300_799_000_000_000n;

/** All usable spans of an export. */
export function spansOf(resources: readonly ResourceSpans[]): StoredSpan[] {
  return resources.flatMap((resource) => {
    const serviceName = attributeText(resource.resource?.attributes ?? [], 'service.name') ?? 'unknown_service';
    return resource.scopeSpans.flatMap((scope) => scope.spans.flatMap((span) => toStored(span, serviceName) ?? []));
  });
}

function toStored(span: OtlpSpan, serviceName: string): StoredSpan | undefined {
  if (span.traceId.length !== 16 || span.spanId.length !== 8 || span.startTimeUnixNano > NANOS_MAX) {
    return undefined;
  }
  const durationNanos = span.endTimeUnixNano - span.startTimeUnixNano;
  return {
    traceId: hex(span.traceId),
    spanId: hex(span.spanId),
    parentSpanId: isSet(span.parentSpanId) ? hex(span.parentSpanId) : '',
    name: cut(span.name),
    serviceName,
    kind: span.kind >= 0 && span.kind <= KIND_MAX ? span.kind : 0,
    startNanos: span.startTimeUnixNano,
    durationNanos: durationNanos < 0n || durationNanos > NANOS_MAX ? 0n : durationNanos,
    failed: span.status?.code === STATUS_ERROR || hasFailedGrpcStatus(span.attributes),
    statusMessage: cut(span.status?.message ?? ''),
    attributes: Object.fromEntries(
      span.attributes.slice(0, ATTRIBUTES_MAX).map(({ key, value }) => [cut(key), textOf(value)]),
    ),
  };
}

/** Envoy writes the gRPC status as an attribute and sets the span's own status only for some. */
function hasFailedGrpcStatus(attributes: readonly KeyValue[]): boolean {
  const status = attributeText(attributes, 'grpc.status_code');
  return status !== undefined && status !== '' && status !== '0';
}

function attributeText(attributes: readonly KeyValue[], key: string): string | undefined {
  const found = attributes.find((attribute) => attribute.key === key);
  return found === undefined ? undefined : textOf(found.value);
}

function textOf(attribute: AnyValue | undefined): string {
  const value = attribute?.value;
  if (value?.case === undefined) {
    return '';
  }
  switch (value.case) {
    case 'arrayValue':
      return cut(value.value.values.slice(0, ATTRIBUTES_MAX).map(textOf).join(', '));
    case 'bytesValue':
      return cut(hex(value.value.subarray(0, TEXT_MAX)));
    default:
      return cut(String(value.value));
  }
}

function cut(text: string): string {
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX - 1)}…`;
}

function isSet(id: Uint8Array): boolean {
  return id.length === 8 && id.some((byte) => byte !== 0);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
