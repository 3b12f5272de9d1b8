/**
 * Asks a gRPC server on a Unix socket whether it serves (grpc.health.v1.Health/Check with an empty name), written on bare
 * HTTP/2: this runs many times a second while the mesh starts, and the answer is two bytes.
 */
import { connect } from 'node:http2';
import { connect as connectTo } from 'node:net';

const timeoutMs = 2000;
/** An empty HealthCheckRequest in a gRPC frame. */
const emptyMessage = Buffer.alloc(5);
/** HealthCheckResponse {status: SERVING} in a gRPC frame: five bytes of frame, field 1 as varint, 1. */
const serving = Buffer.from([0, 0, 0, 0, 2, 8, 1]);

/** True when the server answers SERVING; false for any other answer. Rejects when it cannot be reached. */
export function isServing(socketPath: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    // Node resolves the authority only for TCP; with createConnection it is a name.
    const session = connect('http://health', { createConnection: () => connectTo(socketPath) });
    const timer = setTimeout(() => session.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    session.on('close', () => {
      clearTimeout(timer);
      reject(new Error('the connection was closed'));
    });
    session.on('error', reject);
    const call = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const chunks: Buffer[] = [];
    call.on('data', (chunk: Buffer) => chunks.push(chunk));
    call.on('error', reject);
    call.on('end', () => {
      resolve(Buffer.concat(chunks).equals(serving));
      session.close();
    });
    call.end(emptyMessage);
  });
}
