/**
 * The server under test: reads what the suite's runner wants of a server from standard input, serves ConformanceService by
 * `serve`, says where, and ends on SIGTERM. Standard output belongs to the runner.
 */

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { parseAddress } from '../src/address.ts';
import { implement } from '../src/server/implement.ts';
import { serve } from '../src/server/serve.ts';
import { readFrames, writeFrame } from './framing.ts';
import { ConformanceService, ServerCompatRequestSchema, ServerCompatResponseSchema } from './messages.ts';
import { httpVersionName, protocolName } from './names.ts';
import { conformanceService } from './service.ts';
import { leaveTally } from './tally.ts';

/**
 * A server that nobody has called for so long waits for a case that hangs, in milliseconds. Below the 20 s after which the runner
 * gives up on its client in a way that hangs itself.
 */
const SILENCE_MAX_MS = 15_000;
const LOOK_EVERY_MS = 1_000;

const { value: frame } = await readFrames(process.stdin).next();
if (frame === undefined) {
  throw new Error('the runner said nothing: this program is started by connectconformance (run.ts)');
}
const wanted = fromBinary(ServerCompatRequestSchema, frame);
const creds = wanted.useTls ? wanted.serverCreds : undefined;

let unary = 0;
const server = await serve({
  listen: '127.0.0.1:0',
  services: [
    implement(
      ConformanceService,
      conformanceService((rpc) => {
        unary += rpc.endsWith('Stream') ? 0 : 1;
      }),
    ),
  ],
  errors: 'as-thrown',
  http1: httpVersionName(wanted.httpVersion) === '1.1',
  ...(creds === undefined
    ? {}
    : {
        tls: {
          cert: Buffer.from(creds.cert),
          key: Buffer.from(creds.key),
          ...(wanted.clientTlsCert.length === 0
            ? {}
            : { ca: Buffer.from(wanted.clientTlsCert), clientCertificate: 'require' as const }),
        },
      }),
  limits: {
    // Even a message of no bytes: the suite looks at whether each is compressed.
    compressMinBytes: -1,
    defaultDeadlineMs: Infinity,
    defaultStreamLifeMs: Infinity,
    ...(wanted.messageReceiveLimit === 0 ? {} : { readMaxBytes: wanted.messageReceiveLimit }),
  },
});

function leave(gaveUp?: string): void {
  leaveTally({
    protocol: protocolName(wanted.protocol),
    httpVersion: httpVersionName(wanted.httpVersion),
    tls: wanted.useTls,
    lanes: server.lanes,
    unary,
    ...(gaveUp === undefined ? {} : { gaveUp }),
  });
}

process.on('SIGTERM', () => {
  leave();
  process.exit(0);
});

let heardAtMs = Date.now();
let heard = 0;
setInterval(() => {
  const { fast, adapter } = server.lanes;
  if (fast + adapter !== heard) {
    heard = fast + adapter;
    heardAtMs = Date.now();
    leave();
  } else if (Date.now() - heardAtMs > SILENCE_MAX_MS) {
    leave(`the server was not called for ${SILENCE_MAX_MS / 1_000} s after ${heard} calls: a case hangs`);
    process.exit(1);
  }
}, LOOK_EVERY_MS);

const bound = parseAddress(server.address);
if (bound.kind !== 'tcp') {
  throw new Error(`the server listens at ${server.address}, and not on a port`);
}
const answer = create(ServerCompatResponseSchema, {
  host: bound.host,
  port: bound.port,
  ...(creds === undefined ? {} : { pemCert: creds.cert }),
});
await writeFrame(toBinary(ServerCompatResponseSchema, answer));
