// Whatever a server answers, by good will or bad, both lanes make the same of it.

import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, test } from 'vitest';
import { EchoService } from '../../../test/echo.ts';
import { serveEcho } from '../../../test/echo-server.ts';
import { ErrorInfoSchema } from '../../errors/details.ts';
import { type ConnectOptions, connect } from '../connect.ts';
import { answerGrpc, atEnd, enveloped, failureOf, message, outcomeOf, serveRaw, stopAtEnd } from '../testing.ts';

stopAtEnd();

type Given = Partial<ConnectOptions>;

/** What both lanes say of the same answers. */
async function byBoth(egress: string, given: Given, timeoutMs = 3_000) {
  const outcomes = [];
  for (const fastLane of [true, false]) {
    const lanes: string[] = [];
    const options = { ...given, egress, fastLane, onLane: (lane: string) => void lanes.push(lane) };
    const header: string[] = [];
    const call = connect(EchoService, options).echo(
      { text: 'hi', count: 1 },
      {
        timeoutMs,
        onHeader: (headers) => header.push(...[...headers].map((pair) => pair.join(': '))),
        onTrailer: (headers) => header.push('--', ...[...headers].map((pair) => pair.join(': '))),
      },
    );
    outcomes.push({ ...(await outcomeOf(call)), header: header.filter((line) => !line.startsWith('date')) });
    expect(lanes).toEqual([fastLane ? 'fast' : 'adapter']);
  }
  return outcomes as [(typeof outcomes)[number], (typeof outcomes)[number]];
}

const DIALECTS: [string, Given][] = [
  ['gRPC', { protocol: 'grpc' }],
  ['gRPC with JSON', { protocol: 'grpc', format: 'json' }],
  ['Connect', { protocol: 'connect' }],
  ['Connect with JSON', { protocol: 'connect', format: 'json' }],
];

describe.each(DIALECTS)('in %s', (_name, dialect) => {
  test('an answer with headers and trailers, several of a name and binary ones', async () => {
    const server = await serveEcho(
      {
        echo: ({ text }, { responseHeader, responseTrailer }) => {
          responseHeader.append('x-two', 'a');
          responseHeader.append('x-two', 'b');
          responseHeader.set('x-some-bin', 'AAECAw');
          responseTrailer.append('x-three', 'c');
          responseTrailer.append('x-three', 'd');
          responseTrailer.set('x-other-bin', '/+8');
          return { text };
        },
      },
      { policy: undefined, workload: undefined } as never,
    );
    atEnd(() => server.close());
    for (const given of [dialect, { ...dialect, acceptCompression: ['gzip'] as const }]) {
      const [fast, adapter] = await byBoth(server.address, given);
      expect(fast).toEqual(adapter);
      expect(fast.said).toBe('hi');
      expect(fast.header).toEqual(expect.arrayContaining(['x-two: a, b', 'x-some-bin: AAECAw', '--', 'x-three: c, d']));
    }
  });

  test('an error of every code, with message, details and metadata', async () => {
    let code = Code.Canceled;
    const server = await serveEcho(
      {
        echo: () => {
          const headers = { 'x-why': 'a', 'x-why-bin': 'AAEC' };
          const details = [{ desc: ErrorInfoSchema, value: { reason: 'größer ☃' } }];
          throw new ConnectError('größer ☃ 50%\n', code, headers, details);
        },
      },
      { policy: undefined, workload: undefined } as never,
    );
    atEnd(() => server.close());
    for (code of Object.values(Code).filter((value) => typeof value === 'number')) {
      const [fast, adapter] = await byBoth(server.address, dialect);
      expect(fast).toEqual(adapter);
      expect([fast.code, fast.said]).toEqual([Code[code], 'größer ☃ 50%\n']);
      expect(fast.details).toHaveLength(1);
      expect(fast.metadata).toContain('x-why: a');
    }
  });
});

type Answer = (stream: ServerHttp2Stream) => void;
const GRPC = { ':status': 200, 'content-type': 'application/grpc+proto' };
const CONNECT = { ':status': 200, 'content-type': 'application/proto' };

/** Answers with headers, a body and trailers. */
function whole(headers: OutgoingHttpHeaders, body: Uint8Array | string = '', trailers?: OutgoingHttpHeaders): Answer {
  return (stream) => {
    if (trailers === undefined) {
      stream.respond(headers);
    } else {
      stream.respond(headers, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    }
    stream.end(body);
  };
}

/** Answers with a beginning, and then resets. */
function cut(headers: OutgoingHttpHeaders, body: Uint8Array, code: number): Answer {
  return (stream) => {
    stream.respond(headers);
    stream.write(body, () => setTimeout(() => stream.close(code), 5));
  };
}

/** Answers with a beginning, and no end. */
function part(headers: OutgoingHttpHeaders, body: Uint8Array): Answer {
  return (stream) => {
    stream.respond(headers);
    stream.write(body);
  };
}

const hi = enveloped(message('hi'));
const OK = { 'grpc-status': '0' };
const squeezed = enveloped(gzipSync(message('hi')), true);
const failed = JSON.stringify({ code: 'not_found', message: 'gone' });

const GRPC_ANSWERS: [string, Answer, string][] = [
  ['a message', whole(GRPC, hi, OK), 'ok'],
  ['a message of nothing', whole(GRPC, enveloped(new Uint8Array()), OK), 'ok'],
  ['no message', whole(GRPC, '', OK), 'Unimplemented'],
  ['two messages', whole(GRPC, Buffer.concat([hi, hi]), OK), 'Unimplemented'],
  ['half a message', whole(GRPC, hi.subarray(0, 7), OK), 'Internal'],
  ['half a head', whole(GRPC, hi.subarray(0, 3), OK), 'Internal'],
  ['bytes after the message', whole(GRPC, Buffer.concat([hi, Buffer.from([0])]), OK), 'Internal'],
  ['no trailers', whole(GRPC, hi), 'Internal'],
  ['trailers without status', whole(GRPC, hi, { 'x-a': 'b' }), 'Internal'],
  ['a status that is none', whole(GRPC, hi, { 'grpc-status': 'fine' }), 'Internal'],
  ['an error after a message', whole(GRPC, hi, { 'grpc-status': '5', 'grpc-message': 'gone' }), 'NotFound'],
  ['trailers only', whole({ ...GRPC, 'grpc-status': '5', 'grpc-message': 'a%20%E2%98%83' }), 'NotFound'],
  ['trailers only and a body', whole({ ...GRPC, 'grpc-status': '5' }, hi), ''],
  ['OK and nothing else', whole({ ...GRPC, ...OK }), ''],
  ['a message badly encoded', whole({ ...GRPC, 'grpc-status': '5', 'grpc-message': '50%zz%' }), 'NotFound'],
  ['details that are none', whole(GRPC, '', { 'grpc-status': '5', 'grpc-status-details-bin': '****' }), ''],
  ['bytes that are no message', whole(GRPC, enveloped(new Uint8Array([0xff, 0xff])), OK), ''],
  ['a compressed message', whole({ ...GRPC, 'grpc-encoding': 'gzip' }, squeezed, OK), 'ok'],
  ['compression nobody agreed on', whole({ ...GRPC, 'grpc-encoding': 'br' }, squeezed, OK), 'Internal'],
  ['a compressed message without saying by what', whole(GRPC, squeezed, OK), 'Internal'],
  ['what cannot be unpacked', whole({ ...GRPC, 'grpc-encoding': 'gzip' }, enveloped(hi, true), OK), ''],
  ['a plain message where compression was agreed on', whole({ ...GRPC, 'grpc-encoding': 'gzip' }, hi, OK), 'ok'],
  ['another content type', whole({ ':status': 200, 'content-type': 'text/html' }, '<p>', OK), 'Unknown'],
  ['another codec', whole({ ':status': 200, 'content-type': 'application/grpc+json' }, hi, OK), ''],
  ['no content type', whole({ ':status': 200 }, hi, OK), 'Unknown'],
  ...[400, 401, 403, 404, 408, 429, 500, 502, 503, 504, 302, 204].map((status): [string, Answer, string] => [
    `HTTP ${status}`,
    whole({ ':status': status }),
    '',
  ]),
  ...['NO_ERROR', 'PROTOCOL_ERROR', 'INTERNAL_ERROR', 'CANCEL', 'ENHANCE_YOUR_CALM', 'INADEQUATE_SECURITY'].map(
    (name): [string, Answer, string] => [
      `half of it and a reset with ${name}`,
      cut(GRPC, hi.subarray(0, 7), constants[`NGHTTP2_${name}` as 'NGHTTP2_CANCEL']),
      '',
    ],
  ),
];

const CONNECT_ANSWERS: [string, Answer, string][] = [
  ['a message', whole(CONNECT, message('hi')), 'ok'],
  ['a message of nothing', whole(CONNECT), 'ok'],
  ['trailers among the headers', whole({ ...CONNECT, 'trailer-x-a': 'b', 'x-c': 'd' }, message('hi')), 'ok'],
  ['bytes that are no message', whole(CONNECT, new Uint8Array([0xff, 0xff])), ''],
  ['an error', whole({ ':status': 404, 'content-type': 'application/json', 'trailer-x-a': 'b' }, failed), 'NotFound'],
  ['an error that is no JSON', whole({ ':status': 503, 'content-type': 'application/json' }, '{'), 'Unavailable'],
  ['an error of no known code', whole({ ':status': 429, 'content-type': 'application/json' }, '{"code":"a"}'), ''],
  [
    'a compressed error',
    whole({ ':status': 404, 'content-type': 'application/json', 'content-encoding': 'gzip' }, gzipSync(failed)),
    'NotFound',
  ],
  ['a compressed message', whole({ ...CONNECT, 'content-encoding': 'gzip' }, gzipSync(message('hi'))), 'ok'],
  ['compression nobody agreed on', whole({ ...CONNECT, 'content-encoding': 'br' }, message('hi')), 'Internal'],
  ['what cannot be unpacked', whole({ ...CONNECT, 'content-encoding': 'gzip' }, message('hi')), ''],
  ['another codec', whole({ ':status': 200, 'content-type': 'application/json' }, '{"text":"hi"}'), 'Internal'],
  ['a stream', whole({ ':status': 200, 'content-type': 'application/connect+proto' }, hi), ''],
  ['another content type', whole({ ':status': 200, 'content-type': 'text/html' }, '<p>'), 'Unknown'],
  ['less than it announced', cut({ ...CONNECT, 'content-length': 4 }, message('hi').subarray(0, 2), 0), 'Internal'],
  ...[400, 401, 403, 404, 408, 412, 429, 500, 502, 503, 504, 302].map((status): [string, Answer, string] => [
    `HTTP ${status}`,
    whole({ ':status': status }, 'no'),
    '',
  ]),
];

describe('of an answer by hand both lanes make the same', () => {
  test.each(GRPC_ANSWERS)('in gRPC: %s', async (_what, answer, code) => {
    const raw = await serveRaw(({ stream }) => answer(stream));
    const [fast, adapter] = await byBoth(raw.address, { acceptCompression: ['gzip'] });
    expect({ code: fast.code, metadata: fast.metadata }).toEqual({ code: adapter.code, metadata: adapter.metadata });
    expect(code === '' || fast.code === code ? '' : fast.code).toBe('');
  });

  test.each(CONNECT_ANSWERS)('in Connect: %s', async (_what, answer, code) => {
    const raw = await serveRaw(({ stream }) => answer(stream));
    const [fast, adapter] = await byBoth(raw.address, { protocol: 'connect', acceptCompression: ['gzip'] });
    expect({ code: fast.code, metadata: fast.metadata, header: fast.header }).toEqual({
      code: adapter.code,
      metadata: adapter.metadata,
      header: adapter.header,
    });
    expect(code === '' || fast.code === code ? '' : fast.code).toBe('');
  });
});

describe('an answer that is larger than may be read', () => {
  const large = message('x'.repeat(2_000));
  const announced = Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]);
  const bomb = gzipSync(message('x'.repeat(500_000)));
  test.each<[string, Given, Answer]>([
    ['in gRPC', {}, whole(GRPC, enveloped(large), OK)],
    ['in gRPC, announced and not sent', {}, part(GRPC, announced)],
    ['in gRPC, unpacked', {}, whole({ ...GRPC, 'grpc-encoding': 'gzip' }, enveloped(bomb, true), OK)],
    ['in Connect', { protocol: 'connect' }, whole(CONNECT, large)],
    [
      'in Connect, announced and not sent',
      { protocol: 'connect' },
      part({ ...CONNECT, 'content-length': 99_999 }, announced),
    ],
    ['in Connect, unpacked', { protocol: 'connect' }, whole({ ...CONNECT, 'content-encoding': 'gzip' }, bomb)],
  ])('%s, is RESOURCE_EXHAUSTED', async (_what, given, answer) => {
    const raw = await serveRaw(({ stream }) => answer(stream));
    const options = { ...given, acceptCompression: ['gzip'] as const, readMaxBytes: 1_000 };
    const [fast, adapter] = await byBoth(raw.address, options);
    expect([fast.code, adapter.code]).toEqual(['ResourceExhausted', 'ResourceExhausted']);
  });

  test('by a byte is told from one that just may', async () => {
    const raw = await serveRaw(({ stream }) => answerGrpc(stream, 'x'.repeat(100)));
    const { byteLength } = message('x'.repeat(100));
    const read = (readMaxBytes: number) => connect(EchoService, { egress: raw.address, readMaxBytes }).echo({});
    expect((await read(byteLength)).text).toHaveLength(100);
    expect((await failureOf(read(byteLength - 1))).code).toBe(Code.ResourceExhausted);
  });
});

describe('an answer that comes while the request is still being sent', () => {
  const text = 'x'.repeat(1_000_000);
  test.each<[string, Given, Answer, string]>([
    ['in gRPC', {}, whole(GRPC, hi, OK), 'ok'],
    ['in gRPC, an error', {}, whole({ ...GRPC, 'grpc-status': '8' }), 'ResourceExhausted'],
    ['in Connect', { protocol: 'connect' }, whole(CONNECT, message('hi')), 'ok'],
    [
      'in Connect, an error',
      { protocol: 'connect' },
      whole({ ':status': 404, 'content-type': 'application/json' }, failed),
      'NotFound',
    ],
  ])('%s, is the answer, and the rest is not sent', async (_what, given, answer, code) => {
    const streams: ServerHttp2Stream[] = [];
    const raw = await serveRaw(({ stream }) => {
      // The request is not read, and the stream is not reset.
      streams.push(stream.pause());
      answer(stream);
    });
    const { echo } = connect(EchoService, {
      ...given,
      egress: raw.address,
      sessions: { maxStreams: 1, maxSessions: 1 },
    });
    for (let n = 0; n < 3; n += 1) {
      expect((await outcomeOf(echo({ text }, { timeoutMs: 5_000 }))).code).toBe(code);
    }
    expect(raw.opened).toBe(1);
    expect(streams.at(0)?.closed).toBe(true);
  });
});
