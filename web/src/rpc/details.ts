/**
 * Reads the google.rpc messages that travel with an error: ErrorInfo (which error), BadRequest (which fields) and RetryInfo (when
 * to come back). They have few fields and are stable, so that they are read off the wire here rather than generated.
 */

import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { ConnectError } from '@connectrpc/connect';

/** What an error says of itself beyond code and message. */
export type ErrorDetails = {
  /** Which error of Weft's catalogue it is; undefined when the error is not Weft's. */
  readonly reason: string | undefined;
  /** Facts about this instance, such as `{sku, available: '3'}`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The fields at fault, by their path in the request. */
  readonly fields: readonly { readonly field: string; readonly description: string }[];
  /** How long to wait before repeating, in milliseconds; undefined when it does not say. */
  readonly retryAfterMs: number | undefined;
};

const DOMAIN = 'weft';

/** Reads an error's details. What cannot be read is left out: a broken detail must not hide the error that it came with. */
export function detailsOf(error: unknown): ErrorDetails {
  const found = {
    reason: undefined as string | undefined,
    metadata: {} as Record<string, string>,
    fields: [] as { field: string; description: string }[],
    retryAfterMs: undefined as number | undefined,
  };
  for (const detail of error instanceof ConnectError ? error.details : []) {
    if (!('type' in detail)) {
      continue;
    }
    try {
      if (detail.type === 'google.rpc.ErrorInfo') {
        const info = readErrorInfo(detail.value);
        if (info.domain === DOMAIN) {
          found.reason = info.reason;
          found.metadata = info.metadata;
        }
      } else if (detail.type === 'google.rpc.BadRequest') {
        found.fields = readBadRequest(detail.value);
      } else if (detail.type === 'google.rpc.RetryInfo') {
        found.retryAfterMs = readRetryInfo(detail.value);
      }
    } catch {
      // Left out, as said above.
    }
  }
  return found;
}

function readErrorInfo(bytes: Uint8Array) {
  const info = { reason: '', domain: '', metadata: {} as Record<string, string> };
  eachField(bytes, {
    1: (reader) => {
      info.reason = reader.string();
    },
    2: (reader) => {
      info.domain = reader.string();
    },
    3: (reader) => {
      const { 1: key = '', 2: value = '' } = readTexts(reader.bytes());
      info.metadata[key] = value;
    },
  });
  return info;
}

function readBadRequest(bytes: Uint8Array) {
  const fields: { field: string; description: string }[] = [];
  eachField(bytes, {
    1: (reader) => {
      const { 1: field = '', 2: description = '' } = readTexts(reader.bytes());
      fields.push({ field, description });
    },
  });
  return fields;
}

function readRetryInfo(bytes: Uint8Array): number {
  let ms = 0;
  eachField(bytes, {
    1: (reader) => {
      eachField(reader.bytes(), {
        1: (duration) => {
          ms += Number(duration.int64()) * 1_000;
        },
        2: (duration) => {
          ms += duration.int32() / 1_000_000;
        },
      });
    },
  });
  return ms;
}

/** A message's text fields by number. */
function readTexts(bytes: Uint8Array): Record<number, string> {
  const texts: Record<number, string> = {};
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (wireType === WireType.LengthDelimited) {
      texts[number] = reader.string();
    } else {
      reader.skip(wireType, number);
    }
  }
  return texts;
}

function eachField(bytes: Uint8Array, fields: Readonly<Record<number, (reader: BinaryReader) => void>>): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    const read = fields[number];
    if (read === undefined) {
      reader.skip(wireType, number);
    } else {
      read(reader);
    }
  }
}
