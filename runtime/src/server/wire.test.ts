import { constants, type IncomingHttpHeaders } from 'node:http2';
import { gunzipSync } from 'node:zlib';
import { fromBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { findTrailerError } from '@connectrpc/connect/protocol-grpc';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { EchoResponseSchema } from '../../test/echo.ts';
import { serveEcho } from '../../test/echo-server.ts';
import { envelope, rawConnect } from '../../test/raw.ts';
import { fail, fieldViolationsOf, reasonOf } from '../errors/fail.ts';
import type { RunningServer, ServeOptions } from './serve.ts';

let server: RunningServer;
let raw: ReturnType<typeof rawConnect>;
let stderr: ReturnType<typeof vi.spyOn>;

async function start(implementation: Parameters<typeof serveEcho>[0] = {}, options: Partial<ServeOptions> = {}) {
  server = await serveEcho(implementation, options);
  raw = rawConnect(server.address);
}
beforeEach(() => {
  stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(async () => {
  stderr.mockRestore();
  raw.close();
  await server.close();
});

function errorIn(headers: IncomingHttpHeaders | undefined): ConnectError | undefined {
  const web = new Headers();
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (!name.startsWith(':')) {
      web.set(name, String(value));
    }
  }
  return findTrailerError(web);
}

describe('a failed gRPC call is answered trailers-only, or Envoy never retries it', () => {
  test('a unary call that its handler refuses', async () => {
    await start({
      echo: () => {
        throw fail('INSUFFICIENT_STOCK', 'only 3 left', { available: '3' });
      },
    });
    const answer = await raw.call('Echo', envelope({}));
    expect(answer).toMatchObject({ endedByHeaders: true, trailers: undefined, body: Buffer.alloc(0) });
    expect(answer.headers).toMatchObject({
      ':status': 200,
      'content-type': 'application/grpc+proto',
      'grpc-status': '9',
      'grpc-message': 'only%203%20left',
    });
    expect(reasonOf(errorIn(answer.headers))).toBe('INSUFFICIENT_STOCK');
  });

  test('a unary call that breaks a rule of its contract', async () => {
    await start();
    const answer = await raw.call('Echo', envelope({ count: -1 }));
    expect(answer.endedByHeaders).toBe(true);
    const error = errorIn(answer.headers);
    expect(reasonOf(error)).toBe('INVALID_FIELD');
    expect(fieldViolationsOf(error)).toMatchObject([{ field: 'count', reason: 'int32.gte_lte' }]);
  });

  test('a stream that fails before its first message', async () => {
    await start({
      // biome-ignore lint/correctness/useYield: it fails before it has anything to say.
      count: async function* () {
        throw fail('WATCH_HISTORY_GONE');
      },
    });
    const answer = await raw.call('Count', envelope({ count: 1 }));
    expect(answer.endedByHeaders).toBe(true);
    expect(reasonOf(errorIn(answer.headers))).toBe('WATCH_HISTORY_GONE');
  });

  test('while success, and a failure after the first message, have headers and trailers', async () => {
    await start({
      async *count() {
        yield { count: 1 };
        throw fail('WATCHER_TOO_SLOW');
      },
    });
    const ok = await raw.call('Echo', envelope({ text: 'hi' }));
    expect(ok.endedByHeaders).toBe(false);
    expect(ok.trailers).toMatchObject({ 'grpc-status': '0' });
    expect(fromBinary(EchoResponseSchema, ok.body.subarray(5)).text).toBe('hi');
    const late = await raw.call('Count', envelope({ count: 1 }));
    expect(late.endedByHeaders).toBe(false);
    expect(reasonOf(errorIn(late.trailers))).toBe('WATCHER_TOO_SLOW');
  });
});

describe('nothing of what happened inside reaches a client', () => {
  test('what is not a typed error is INTERNAL, and is logged with its trace', async () => {
    await start({
      echo: () => {
        throw new Error('duplicate key in "items": INSERT INTO items at /srv/secret.ts');
      },
    });
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const answer = await raw.call('Echo', envelope({}), { traceparent: `00-${traceId}-b7ad6b7169203331-01` });
    expect(reasonOf(errorIn(answer.headers))).toBe('INTERNAL');
    expect(JSON.stringify(answer.headers)).not.toMatch(/INSERT|secret|duplicate/);
    expect(Buffer.from(String(answer.headers?.['grpc-status-details-bin']), 'base64').toString()).not.toMatch(
      /INSERT|secret/,
    );
    expect(answer.headers?.['x-weft-trace-id']).toBe(traceId);
    const logged = JSON.parse(String(stderr.mock.calls.at(-1)?.[0]));
    expect(logged).toMatchObject({ level: 'error', trace_id: traceId, rpc: 'weft.test.v1.EchoService/Echo' });
    expect(logged.error.message).toContain('INSERT');
  });

  test("a handler's own INTERNAL keeps its text to itself", async () => {
    await start({
      echo: () => {
        throw new ConnectError('connect ENOENT run/secret.sock', Code.Internal);
      },
    });
    expect(JSON.stringify((await raw.call('Echo', envelope({}))).headers)).not.toContain('secret');
  });

  test("a callee's untyped error is not passed on", async () => {
    await start({
      echo: () => {
        const received = new ConnectError('upstream connect error to 10.0.0.7', Code.Unavailable);
        received.isWireError = true;
        throw received;
      },
    });
    const answer = await raw.call('Echo', envelope({}));
    expect(reasonOf(errorIn(answer.headers))).toBe('INTERNAL');
    expect(JSON.stringify(answer.headers)).not.toContain('10.0.0.7');
  });
});

describe('what cannot be a call gets a typed answer', () => {
  test.each([
    ['an unknown RPC of a known service', { ':path': '/weft.test.v1.EchoService/Nothing' }, 'UNKNOWN_RPC'],
    ['a path that is no RPC', { ':path': '//%zz/../x?y' }, 'UNKNOWN_RPC'],
    ['a timeout that cannot be read', { 'grpc-timeout': '5 seconds' }, 'MALFORMED_REQUEST'],
    ['an unknown compression', { 'grpc-encoding': 'lzma' }, 'UNKNOWN_RPC'],
  ])('%s', async (_name, headers, reason) => {
    await start();
    const answer = await raw.call('Echo', envelope({}), headers);
    expect(answer.endedByHeaders).toBe(true);
    expect(reasonOf(errorIn(answer.headers))).toBe(reason);
  });

  test.each([
    ['bytes that are no message', Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff]), 'MALFORMED_REQUEST'],
    ['a body that ends early', Buffer.from([0, 0, 0, 0, 9, 1]), 'MALFORMED_REQUEST'],
    ['no message', Buffer.alloc(0), 'UNKNOWN_RPC'],
    ['two messages', Buffer.concat([envelope({}), envelope({})]), 'UNKNOWN_RPC'],
  ])('%s', async (_name, body, reason) => {
    await start();
    const answer = await raw.call('Echo', body);
    expect(reasonOf(errorIn(answer.headers))).toBe(reason);
  });

  test('Connect and gRPC-Web callers get theirs in their own protocol', async () => {
    await start();
    const json = await raw.call('Nothing', Buffer.from('{}'), { 'content-type': 'application/json' });
    expect(json.headers?.[':status']).toBe(404);
    expect(JSON.parse(json.body.toString())).toMatchObject({
      code: 'unimplemented',
      details: [{ debug: { reason: 'UNKNOWN_RPC' } }],
    });
    const broken = await raw.call('Echo', Buffer.from('{"count":'), { 'content-type': 'application/json' });
    expect(broken.headers?.[':status']).toBe(400);
    expect(JSON.parse(broken.body.toString()).details[0].debug.reason).toBe('MALFORMED_REQUEST');
    const web = await raw.call('Echo', Buffer.from([0, 0, 0, 0, 1, 0xff]), {
      'content-type': 'application/grpc-web+proto',
    });
    expect(web.headers?.[':status']).toBe(200);
    expect(web.body[0]).toBe(0x80);
    expect(web.body.toString()).toContain('grpc-status-details-bin');
  });
});

test('a long error reaches a Connect caller that takes compressed answers, as every browser does', async () => {
  const message = 'x'.repeat(900);
  await start({
    echo: () => {
      throw fail('INSUFFICIENT_STOCK', message, { sku: 'y'.repeat(900) });
    },
  });
  const headers = { 'content-type': 'application/json', 'accept-encoding': 'gzip, deflate, br' };
  const answer = await raw.call('Echo', Buffer.from('{}'), headers);
  expect(answer.headers).toMatchObject({ ':status': 400, 'content-encoding': 'gzip' });
  expect(JSON.parse(gunzipSync(answer.body).toString())).toMatchObject({
    code: 'failed_precondition',
    message,
    details: [{ debug: { reason: 'INSUFFICIENT_STOCK' } }],
  });
});

describe('one caller cannot hurt the others', () => {
  test('a 5-byte header that declares 4 GiB reserves nothing', async () => {
    await start();
    const before = process.memoryUsage().arrayBuffers;
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => raw.call('Echo', Buffer.from([0, 0xff, 0xff, 0xff, 0xff]))),
    );
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
    expect(answers.map(({ headers }) => reasonOf(errorIn(headers)))).toEqual(Array(8).fill('MESSAGE_TOO_LARGE'));
  });

  test('5 MB are too large for a unary call in every protocol', async () => {
    await start();
    const text = 'x'.repeat(5_000_000);
    const grpc = await raw.call('Echo', envelope({ text }));
    expect(reasonOf(errorIn(grpc.headers))).toBe('MESSAGE_TOO_LARGE');
    const json = await raw.call('Echo', Buffer.from(JSON.stringify({ text })), { 'content-type': 'application/json' });
    expect(json.headers?.[':status']).toBe(429);
    expect(JSON.parse(json.body.toString()).details[0].debug.reason).toBe('MESSAGE_TOO_LARGE');
  });

  test('an answer that is too large is an error, not an overflow at the caller', async () => {
    await start({ echo: () => ({ text: 'x'.repeat(5_000_000) }) });
    expect(reasonOf(errorIn((await raw.call('Echo', envelope({}))).headers))).toBe('MESSAGE_TOO_LARGE');
  });

  test.each(['Sum', 'Chat'])('a caller of %s that sends on after the answer is let go', async (rpc) => {
    await start();
    const { stream, answer } = raw.open(rpc);
    stream.write(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]));
    // More than the flow-control window: without someone to read it this never leaves.
    const rest = Buffer.alloc(300_000);
    for (let n = 0; n < 4; n += 1) {
      stream.write(rest);
    }
    stream.end();
    const { headers, trailers } = await answer;
    expect(reasonOf(errorIn(trailers ?? headers))).toBe('MESSAGE_TOO_LARGE');
  });

  test('a caller that never ends its request is reset after its answer', async () => {
    await start({
      sum: async () => {
        throw fail('IMPORT_CHUNK_INVALID');
      },
    });
    const { stream, answer } = raw.open('Sum');
    stream.write(envelope({ count: 1 }));
    const { headers, rstCode } = await answer;
    expect(reasonOf(errorIn(headers))).toBe('IMPORT_CHUNK_INVALID');
    expect(rstCode).toBe(constants.NGHTTP2_NO_ERROR);
  });

  test('headers beyond the limits are refused, and the next call works', async () => {
    await start();
    const big = await raw.call('Echo', envelope({}), { 'x-big': 'x'.repeat(40_000) });
    expect(reasonOf(errorIn(big.headers))).toBe('MESSAGE_TOO_LARGE');
    const many = Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`x-${n}`, '1']));
    expect((await raw.call('Echo', envelope({}), many)).headers).toBeUndefined();
    raw.close();
    raw = rawConnect(server.address);
    expect((await raw.call('Echo', envelope({}))).trailers?.['grpc-status']).toBe('0');
  });

  test('a connection gets no more than its share of streams', async () => {
    await start({}, { limits: { maxConcurrentStreams: 3 } });
    await raw.call('Echo', envelope({}));
    expect(raw.session.remoteSettings.maxConcurrentStreams).toBe(3);
  });
});
