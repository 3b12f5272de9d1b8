/**
 * A span as the bytes of `opentelemetry.proto.trace.v1.Span`
 * (https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto), and what stands
 * around spans in an export. Written by hand, field by field, since the SDK's spans are in no form that a codec could take.
 */

import { type Attributes, type HrTime, type SpanContext, type SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { NodeSDKConfiguration } from '@opentelemetry/sdk-node';
import { Output } from '../../codec/output.ts';

/** What the SDK gives spans to. */
export type SpanProcessor = NonNullable<NodeSDKConfiguration['spanProcessors']>[number];
/** A span that has ended. */
export type EndedSpan = Parameters<SpanProcessor['onEnd']>[0];
/** Where a span is from: the process, and the part of it that made the span. */
export type Origin = Pick<EndedSpan, 'resource' | 'instrumentationScope'>;

/** The span of a call, which has nothing but this. */
export type RpcSpan = {
  readonly spanContext: SpanContext;
  readonly parent: SpanContext | undefined;
  /** What `rpcHead` makes of its RPC. */
  readonly head: Uint8Array;
  readonly start: HrTime;
  readonly end: HrTime;
  readonly attributes: Attributes | undefined;
  readonly isError: boolean;
};

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
/** Up to here a length takes one byte, which is what is left for most. */
const LENGTH_BYTES = 1;
const SPAN_LENGTH_BYTES = 2;
const NANOS = 1_000_000_000;
const HALF = 2 ** 32;
const INT64_LIMIT = 2 ** 63;
/** Attributes within attributes are written down to here. */
const DEPTH_MAX = 16;
/** Bits 8 and 9 of a span's flags: whether it is known that the parent is in another process, and whether it is. */
const KNOWS_REMOTE = 0x100;
const IS_REMOTE = 0x200;

/** Writes a span as the member `spans` of ScopeSpans. */
export function writeSpan(out: Output, span: EndedSpan): void {
  const context = span.spanContext();
  const parent = span.parentSpanContext;
  tag(out, 2, BYTES);
  const start = begin(out, SPAN_LENGTH_BYTES);
  writeIds(out, 1, context);
  if (parent?.spanId) {
    tag(out, 4, BYTES);
    hex(out, parent.spanId);
  }
  text(out, 5, span.name);
  count(out, 6, span.kind + 1);
  tag(out, 7, FIXED64);
  time(out, span.startTime);
  tag(out, 8, FIXED64);
  time(out, span.endTime);
  writeAttributes(out, 9, span.attributes);
  count(out, 10, span.droppedAttributesCount);
  for (const event of span.events) {
    tag(out, 11, BYTES);
    const at = begin(out);
    tag(out, 1, FIXED64);
    time(out, event.time);
    text(out, 2, event.name);
    writeAttributes(out, 3, event.attributes);
    count(out, 4, event.droppedAttributesCount);
    end(out, at);
  }
  count(out, 12, span.droppedEventsCount);
  for (const link of span.links) {
    tag(out, 13, BYTES);
    const at = begin(out);
    writeIds(out, 1, link.context);
    writeAttributes(out, 4, link.attributes);
    count(out, 5, link.droppedAttributesCount);
    tag(out, 6, FIXED32);
    out.fixed32(flags(link.context, link.context.isRemote));
    end(out, at);
  }
  count(out, 14, span.droppedLinksCount);
  if (span.status.code !== 0) {
    tag(out, 15, BYTES);
    const at = begin(out);
    text(out, 2, span.status.message);
    count(out, 3, span.status.code);
    end(out, at);
  }
  tag(out, 16, FIXED32);
  out.fixed32(flags(context, parent?.isRemote));
  end(out, start, SPAN_LENGTH_BYTES);
}

/** The fields that are the same for every call that ended alike: written once, and copied from then on. */
export function rpcHead(name: string, kind: SpanKind, attributes: Attributes): Uint8Array {
  const out = new Output();
  out.start(0);
  text(out, 5, name);
  count(out, 6, kind + 1);
  writeAttributes(out, 9, attributes);
  return out.finish();
}

/** Writes the span of a call, as `writeSpan` does any other. */
export function writeRpcSpan(out: Output, span: RpcSpan): void {
  const { spanContext, parent } = span;
  tag(out, 2, BYTES);
  const start = begin(out, SPAN_LENGTH_BYTES);
  writeIds(out, 1, spanContext);
  if (parent !== undefined) {
    tag(out, 4, BYTES);
    hex(out, parent.spanId);
  }
  out.raw(span.head);
  tag(out, 7, FIXED64);
  time(out, span.start);
  tag(out, 8, FIXED64);
  time(out, span.end);
  writeAttributes(out, 9, span.attributes);
  if (span.isError) {
    tag(out, 15, BYTES);
    const at = begin(out);
    count(out, 3, SpanStatusCode.ERROR);
    end(out, at);
  }
  tag(out, 16, FIXED32);
  out.fixed32(flags(spanContext, parent?.isRemote));
  end(out, start, SPAN_LENGTH_BYTES);
}

/** ExportTraceServiceRequest of one resource: spans come as written by `writeSpan`, scope by scope. */
export function exportBytes(
  resource: Origin['resource'],
  scopes: readonly { readonly scope: Origin['instrumentationScope']; readonly spans: Uint8Array }[],
): Uint8Array {
  const out = new Output();
  out.start(0);
  tag(out, 1, BYTES);
  const start = begin(out);
  tag(out, 1, BYTES);
  const resourceStart = begin(out);
  writeAttributes(out, 1, resource.attributes);
  end(out, resourceStart);
  for (const { scope, spans } of scopes) {
    tag(out, 2, BYTES);
    const scopeStart = begin(out);
    tag(out, 1, BYTES);
    const nameStart = begin(out);
    text(out, 1, scope.name);
    text(out, 2, scope.version);
    end(out, nameStart);
    out.raw(spans);
    text(out, 3, scope.schemaUrl);
    end(out, scopeStart);
  }
  text(out, 3, resource.schemaUrl);
  end(out, start);
  return out.finish();
}

function writeIds(out: Output, field: number, { traceId, spanId, traceState }: SpanContext): void {
  tag(out, field, BYTES);
  hex(out, traceId);
  tag(out, field + 1, BYTES);
  hex(out, spanId);
  text(out, field + 2, traceState?.serialize());
}

function flags({ traceFlags }: SpanContext, isRemote: boolean | undefined): number {
  return (traceFlags & 0xff) | KNOWS_REMOTE | (isRemote === true ? IS_REMOTE : 0);
}

function writeAttributes(out: Output, field: number, attributes: Readonly<Record<string, unknown>> | undefined): void {
  for (const key in attributes) {
    tag(out, field, BYTES);
    writeKeyValue(out, key, attributes[key], 0);
  }
}

function writeKeyValue(out: Output, key: string, value: unknown, depth: number): void {
  const start = begin(out);
  text(out, 1, key);
  tag(out, 2, BYTES);
  writeValue(out, value, depth);
  end(out, start);
}

/** AnyValue; empty for what has no value. */
function writeValue(out: Output, value: unknown, depth: number): void {
  const start = begin(out);
  if (typeof value === 'string') {
    tag(out, 1, BYTES);
    out.string(value);
  } else if (typeof value === 'boolean') {
    tag(out, 2, VARINT);
    out.byte(value ? 1 : 0);
  } else if (typeof value === 'number') {
    if (Number.isInteger(value) && value >= -INT64_LIMIT && value < INT64_LIMIT) {
      tag(out, 3, VARINT);
      out.varint64(value >>> 0, Math.floor(value / HALF));
    } else {
      tag(out, 4, FIXED64);
      out.double(value);
    }
  } else if (value instanceof Uint8Array) {
    tag(out, 7, BYTES);
    out.varint32(value.length);
    out.raw(value);
  } else if (typeof value === 'object' && value !== null && depth < DEPTH_MAX) {
    tag(out, Array.isArray(value) ? 5 : 6, BYTES);
    const members = begin(out);
    for (const [key, member] of Object.entries(value)) {
      tag(out, 1, BYTES);
      if (Array.isArray(value)) {
        writeValue(out, member, depth + 1);
      } else {
        writeKeyValue(out, key, member, depth + 1);
      }
    }
    end(out, members);
  }
  end(out, start);
}

function tag(out: Output, field: number, type: number): void {
  out.varint32((field << 3) | type);
}

/** A field that is left out when it is empty. */
function text(out: Output, field: number, value: string | undefined): void {
  if (value) {
    tag(out, field, BYTES);
    out.string(value);
  }
}

/** A field that is left out when it is zero. */
function count(out: Output, field: number, value: number | undefined): void {
  if (value) {
    tag(out, field, VARINT);
    out.varint32(value);
  }
}

/** An id of hexadecimal digits as bytes behind their length. */
function hex(out: Output, id: string): void {
  const length = id.length >>> 1;
  out.room(length + 1);
  const { bytes } = out;
  let { at } = out;
  bytes[at++] = length;
  for (let index = 0; index < length * 2; index += 2) {
    bytes[at++] = (digit(id.charCodeAt(index)) << 4) | digit(id.charCodeAt(index + 1));
  }
  out.at = at;
}

function digit(code: number): number {
  // '0' is 0x30, 'a' is 0x61 and 'A' is 0x41.
  return (code & 0xf) + (code > 0x39 ? 9 : 0);
}

/** Nanoseconds since the epoch, which are more than a number holds: the lower half is exact, the upper half follows. */
function time(out: Output, [seconds, nanos]: HrTime): void {
  const low = (Math.imul(seconds, NANOS) + nanos) >>> 0;
  out.fixed32(low);
  out.fixed32(Math.round((seconds * NANOS + nanos - low) / HALF));
}

/** Leaves room for the length of what follows. */
function begin(out: Output, guess = LENGTH_BYTES): number {
  const { at } = out;
  out.room(guess);
  out.at += guess;
  return at;
}

function end(out: Output, at: number, guess = LENGTH_BYTES): void {
  out.lengthAt(at, guess);
}
