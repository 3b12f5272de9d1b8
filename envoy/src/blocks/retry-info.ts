/**
 * When to come back, for clients: google.rpc.RetryInfo, as gRPC carries it (in `grpc-status-details-bin`) and as Connect does (in the
 * `details` of its JSON errors).
 */
import { BinaryWriter, base64Encode } from '@bufbuild/protobuf/wire';
import type { BlockMap } from './block.ts';

const name = 'google.rpc.RetryInfo';

/** A google.rpc.RetryInfo: field 1 is a Duration, whose field 1 are whole seconds. */
const retryInfo = (seconds: number): Uint8Array =>
  new BinaryWriter().uint32(0x0a).fork().uint32(0x08).int64(seconds).join().finish();

/** A google.rpc.Status with that one detail, base64 without padding. A client takes code and message from here, too. */
export function retryInfoForGrpc(code: number, message: string, seconds: number): string {
  const status = new BinaryWriter().uint32(0x08).int32(code).uint32(0x12).string(message);
  status.uint32(0x1a).fork().uint32(0x0a).string(`type.googleapis.com/${name}`);
  status.uint32(0x12).bytes(retryInfo(seconds)).join();
  return base64Encode(status.finish(), 'std_raw');
}

/** One entry of `details`. */
export const retryInfoForConnect = (seconds: number): BlockMap => ({
  type: name,
  value: base64Encode(retryInfo(seconds), 'std_raw'),
});
