/**
 * The codec of the bare servers and clients: protobuf-es, as in every other comparator, or the compiled one of this runtime,
 * which tells what the runtime costs beside its codec. Messages of gRPC are put in one buffer with their envelope.
 */

import {
  type DescMessage,
  fromBinary,
  fromJsonString,
  type MessageShape,
  toBinary,
  toJsonString,
} from '@bufbuild/protobuf';
import { codecOf } from '../src/codec/codec.ts';

export const ENVELOPE_BYTES = 5;

export type BareCodec<Desc extends DescMessage> = {
  decode(bytes: Uint8Array): MessageShape<Desc>;
  /** The message behind its envelope. */
  envelope(message: MessageShape<Desc>): Uint8Array;
  decodeJson(bytes: Buffer): MessageShape<Desc>;
  encodeJson(message: MessageShape<Desc>): Uint8Array;
};

export function bareCodec<Desc extends DescMessage>(desc: Desc, isOurs: boolean): BareCodec<Desc> {
  return isOurs ? ourCodec(desc) : library(desc);
}

function library<Desc extends DescMessage>(desc: Desc): BareCodec<Desc> {
  return {
    decode: (bytes) => fromBinary(desc, bytes),
    envelope(message) {
      const bytes = toBinary(desc, message);
      const frame = Buffer.allocUnsafe(ENVELOPE_BYTES + bytes.length);
      frame[0] = 0;
      frame.writeUInt32BE(bytes.length, 1);
      frame.set(bytes, ENVELOPE_BYTES);
      return frame;
    },
    decodeJson: (bytes) => fromJsonString(desc, bytes.toString('utf8')),
    encodeJson: (message) => Buffer.from(toJsonString(desc, message)),
  };
}

function ourCodec<Desc extends DescMessage>(desc: Desc): BareCodec<Desc> {
  const codec = codecOf(desc);
  return {
    decode: codec.decode,
    envelope(message) {
      const frame = codec.encode(message, ENVELOPE_BYTES);
      const length = frame.length - ENVELOPE_BYTES;
      frame[1] = length >>> 24;
      frame[2] = length >>> 16;
      frame[3] = length >>> 8;
      frame[4] = length;
      return frame;
    },
    decodeJson: codec.decodeJson,
    encodeJson: codec.encodeJson,
  };
}
