/**
 * The client under test: reads calls from standard input, makes each by `connect`, several at a time, and reports what came of
 * it. It ends with its input. Standard output belongs to the runner.
 */

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { connect } from '../src/client/connect.ts';
import { readFrames, writeFrame } from './framing.ts';
import { invoke } from './invoke.ts';
import {
  type ClientCompatRequest,
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
  ClientErrorResultSchema,
  ConformanceService,
} from './messages.ts';
import { compressionName, formatName, httpVersionName, protocolName, StreamType } from './names.ts';
import { leaveTally, type Tally } from './tally.ts';

/** A call that has not ended by then hangs: the runner would wait for ever, in milliseconds. */
const CALL_MAX_MS = 15_000;
const LEAVE_EVERY_MS = 1_000;
/** Calls at once. */
const PARALLEL = Number(process.env.WEFT_CONFORMANCE_PARALLEL ?? 4);

/** What was counted so far, by protocol, version and TLS. */
const counts = new Map<string, { -readonly [Name in keyof Tally]: Tally[Name] }>();

function clientFor(asked: ClientCompatRequest) {
  const protocol = protocolName(asked.protocol);
  const httpVersion = httpVersionName(asked.httpVersion);
  const tls = asked.serverTlsCert.length > 0;
  const key = `-${protocol}-${httpVersion}-${tls}`;
  const count = counts.get(key) ?? { protocol, httpVersion, tls, lanes: { fast: 0, adapter: 0 }, unary: 0 };
  counts.set(key, count);
  // What is asked by GET is not for the fast lane of a client.
  count.unary += asked.streamType === StreamType.UNARY && !asked.useGetHttpMethod ? 1 : 0;

  const compression = compressionName(asked.compression);
  const { clientTlsCreds: creds } = asked;
  return connect(ConformanceService, {
    egress: `${asked.host}:${asked.port}`,
    protocol,
    httpVersion,
    format: formatName(asked.codec),
    useHttpGet: asked.useGetHttpMethod,
    // Even a message of no bytes: the suite looks at whether each is compressed.
    compressMinBytes: -1,
    acceptCompression: compression === undefined ? [] : [compression],
    ...(compression === undefined ? {} : { sendCompression: compression }),
    ...(asked.messageReceiveLimit === 0 ? {} : { readMaxBytes: asked.messageReceiveLimit }),
    ...(tls
      ? {
          tls: {
            ca: Buffer.from(asked.serverTlsCert),
            ...(creds === undefined ? {} : { cert: Buffer.from(creds.cert), key: Buffer.from(creds.key) }),
          },
        }
      : {}),
    onLane(lane) {
      count.lanes = { ...count.lanes, [lane]: count.lanes[lane] + 1 };
    },
  });
}

async function answer(asked: ClientCompatRequest): Promise<void> {
  const response = create(ClientCompatResponseSchema, { testName: asked.testName });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the call hangs: no end after ${CALL_MAX_MS} ms`)), CALL_MAX_MS);
  });
  try {
    response.result = { case: 'response', value: await Promise.race([invoke(clientFor(asked), asked), late]) };
  } catch (error) {
    response.result = { case: 'error', value: create(ClientErrorResultSchema, { message: String(error) }) };
  } finally {
    clearTimeout(timer);
  }
  await writeFrame(toBinary(ClientCompatResponseSchema, response));
}

function leave(): void {
  for (const [part, count] of counts) {
    leaveTally(count, part);
  }
}

setInterval(leave, LEAVE_EVERY_MS).unref();
const running = new Set<Promise<void>>();
for await (const frame of readFrames(process.stdin)) {
  const call = answer(fromBinary(ClientCompatRequestSchema, frame)).finally(() => running.delete(call));
  running.add(call);
  if (running.size >= PARALLEL) {
    await Promise.race(running);
  }
}
await Promise.all(running);
leave();
process.exit(0);
