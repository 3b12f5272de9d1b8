/**
 * The console's OTLP/HTTP receiver (https://opentelemetry.io/docs/specs/otlp/#otlphttp): POST /v1/traces in binary
 * protobuf, plain or gzip. Envoy and the OpenTelemetry SDKs send so by default. Metrics and logs have no home here and are
 * answered 404.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Address } from '@weft/runtime/address';
import { log } from '@weft/runtime/log';
import { decodeExport, type ResourceSpans } from './messages.ts';

/** Largest body, compressed or not, in bytes. */
const BODY_MAX_BYTES = 4 * 1024 * 1024;
/** Bodies that are read at once; more are asked to come back. */
const CONCURRENT_MAX = 64;
const RETRY_AFTER_SECONDS = 1;
/** How long a sender may take over a request, in milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;

const unzip = promisify(gunzip);

/** A running receiver. */
export type Receiver = {
  readonly address: AddressInfo | string | null;
  /** Stops listening and ends open connections. */
  close(): Promise<void>;
};

/**
 * Starts the receiver.
 *
 * @param options.onSpans is given each export that could be read.
 * @param options.onBody is given each such export's bytes, uncompressed, for forwarding.
 */
export async function receiveOtlp(options: {
  readonly listen: Address;
  readonly onSpans: (spans: readonly ResourceSpans[]) => void;
  readonly onBody?: (body: Uint8Array) => void;
}): Promise<Receiver> {
  let reading = 0;
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, maxHeaderSize: 16 * 1024 }, (request, response) => {
    if (reading >= CONCURRENT_MAX) {
      request.resume();
      response.setHeader('retry-after', String(RETRY_AFTER_SECONDS));
      answer(response, 429, 'too many exports at once');
      return;
    }
    reading += 1;
    take(request, response, options)
      .catch((error: unknown) => {
        log.warn('an OTLP export was not taken', { error });
        answer(response, 400, 'the export cannot be read');
      })
      .finally(() => {
        reading -= 1;
      });
  });
  await listening(server, options.listen);
  return {
    address: server.address(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function take(
  request: IncomingMessage,
  response: ServerResponse,
  options: { onSpans: (spans: readonly ResourceSpans[]) => void; onBody?: (body: Uint8Array) => void },
): Promise<void> {
  const refusal = refuse(request);
  if (refusal !== undefined) {
    request.resume();
    answer(response, ...refusal);
    return;
  }
  const body = await readBody(request);
  if (body === undefined) {
    response.setHeader('connection', 'close');
    answer(response, 413, `an export may have ${BODY_MAX_BYTES} bytes`);
    return;
  }
  const plain =
    request.headers['content-encoding'] === 'gzip' ? await unzip(body, { maxOutputLength: BODY_MAX_BYTES }) : body;
  options.onSpans(decodeExport(plain));
  options.onBody?.(plain);
  // An empty ExportTraceServiceResponse: everything was accepted.
  response.writeHead(200, { 'content-type': 'application/x-protobuf', 'content-length': '0' }).end();
}

function refuse(request: IncomingMessage): [status: number, message: string] | undefined {
  if (request.url !== '/v1/traces') {
    return [404, 'only traces are kept here: POST /v1/traces'];
  }
  if (request.method !== 'POST') {
    return [405, 'POST the export'];
  }
  if (!request.headers['content-type']?.startsWith('application/x-protobuf')) {
    return [415, 'send application/x-protobuf (OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf)'];
  }
  if (!['identity', 'gzip', undefined].includes(request.headers['content-encoding'])) {
    return [415, 'send it plain or with gzip'];
  }
  return undefined;
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_MAX_BYTES) {
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function answer(response: ServerResponse, status: number, message: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${message}\n`);
}

async function listening(server: Server, listen: Address): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const options = listen.kind === 'unix' ? { path: listen.path } : { host: listen.host, port: listen.port };
    server.listen(options, () => resolve());
  });
}
