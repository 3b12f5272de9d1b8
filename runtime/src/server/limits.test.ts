// What one caller can do to a server, and cannot. What shows in the bytes of an answer is in wire.test.ts.

import { once } from 'node:events';
import { constants, connect as http2Connect } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { encodeEnvelope } from '@connectrpc/connect/protocol';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { EchoRequestSchema } from '../../test/echo.ts';
import { serveEcho } from '../../test/echo-server.ts';
import { envelope, rawConnect } from '../../test/raw.ts';
import type { Limits } from './limits.ts';
import type { RunningServer, ServeOptions } from './serve.ts';

const running: { close(): unknown }[] = [];
beforeEach(() => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(running.splice(0).map((one) => one.close()));
});
async function start(limits: Partial<Limits>, implementation: Parameters<typeof serveEcho>[0] = {}) {
  const server = await serveEcho(implementation, { limits } satisfies Partial<ServeOptions>);
  running.push(server);
  return server;
}
function rawTo({ address }: RunningServer) {
  const raw = rawConnect(address);
  running.push(raw);
  return raw;
}
const statusOf = ({ headers, trailers }: Awaited<ReturnType<ReturnType<typeof rawConnect>['call']>>) =>
  Number(headers?.['grpc-status'] ?? trailers?.['grpc-status']);
const message = (text: string) => toBinary(EchoRequestSchema, create(EchoRequestSchema, { text }));

describe('the size of a message', () => {
  // A field of text adds two bytes, or three.
  const limits = { readMaxBytes: 102 };

  test.each([
    ['application/grpc', (bytes: Uint8Array) => encodeEnvelope(0, bytes)],
    ['application/proto', (bytes: Uint8Array) => bytes],
  ])('may be the limit and not a byte more (%s)', async (type, body) => {
    const raw = rawTo(await start(limits));
    const headers = { 'content-type': type };
    expect((await raw.call('Echo', body(message('x'.repeat(100))), headers)).headers?.[':status']).toBe(200);
    const refused = await raw.call('Echo', body(message('x'.repeat(101))), headers);
    expect(type === 'application/grpc' ? statusOf(refused) : refused.headers?.[':status']).toBe(
      type === 'application/grpc' ? Code.ResourceExhausted : 429,
    );
  });

  test.each([
    ['application/grpc', 'grpc-encoding', Code.ResourceExhausted],
    ['application/proto', 'content-encoding', 429],
  ])('holds after decompression: a bomb does not go off (%s)', async (type, header, refused) => {
    const raw = rawTo(await start({}));
    const bomb = gzipSync(Buffer.alloc(512 * 1024 * 1024));
    const isGrpc = type === 'application/grpc';
    const before = process.memoryUsage().rss;
    const answer = await raw.call('Echo', isGrpc ? encodeEnvelope(1, bomb) : bomb, {
      'content-type': type,
      [header]: 'gzip',
    });
    expect(isGrpc ? statusOf(answer) : answer.headers?.[':status']).toBe(refused);
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1024 * 1024);
  });
});

describe('answers that nobody reads', () => {
  /** A caller whose flow-control window stays shut. */
  async function deafCaller({ address }: RunningServer) {
    const session = http2Connect(`http://${address}`, { settings: { initialWindowSize: 0 } });
    session.on('error', () => {});
    running.push({ close: () => session.destroy() });
    await once(session, 'remoteSettings');
    return (headers: Record<string, string> = {}) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/weft.test.v1.EchoService/Echo',
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      stream.on('error', () => {});
      stream.end(envelope({ text: 'x'.repeat(60_000) }));
      return stream;
    };
  }

  test('are so many and no more: then the connection gets no further ones', async () => {
    const server = await start({ unsentMaxBytes: 300_000 });
    const call = await deafCaller(server);
    const first = Array.from({ length: 6 }, () => once(call(), 'response'));
    await Promise.all(first);
    const [refused] = await once(call(), 'response');
    expect(refused['grpc-status']).toBe(String(Code.ResourceExhausted));
    const neighbour = rawTo(server);
    expect(statusOf(await neighbour.call('Echo', envelope({ text: 'hi' })))).toBe(0);
  });

  test('are thrown away at the deadline', async () => {
    const server = await start({});
    const call = await deafCaller(server);
    const stream = call({ 'grpc-timeout': '200m' });
    await once(stream, 'response');
    await once(stream, 'close');
    expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
  });
});

describe('calls at once', () => {
  test('are as many as the server announces', async () => {
    const open = Promise.withResolvers<void>();
    let begun = 0;
    const server = await start(
      { maxConcurrentStreams: 10 },
      {
        async echo() {
          begun += 1;
          await open.promise;
          return {};
        },
      },
    );
    const raw = rawTo(server);
    await once(raw.session, 'remoteSettings');
    const answers = Array.from({ length: 15 }, () => raw.call('Echo', envelope({})));
    await vi.waitFor(() => expect(begun).toBe(10));
    open.resolve();
    // Node's client waits its turn.
    expect((await Promise.all(answers)).map(statusOf)).toEqual(answers.map(() => 0));
  });

  test('that are opened and reset without end cost the caller its connection', async () => {
    let begun = 0;
    const server = await start(
      {},
      {
        echo() {
          begun += 1;
          return new Promise(() => {});
        },
      },
    );
    const raw = rawTo(server);
    await once(raw.session, 'remoteSettings');
    let sent = 0;
    const hammer = setInterval(() => {
      for (let n = 0; n < 200 && !raw.session.destroyed; n += 1) {
        const { stream } = raw.open('Echo');
        stream.end(envelope({}));
        stream.close(constants.NGHTTP2_CANCEL);
        sent += 1;
      }
    }, 1);
    await new Promise((resolve) => raw.session.once('close', resolve));
    clearInterval(hammer);
    expect(sent).toBeGreaterThan(900);
    expect(begun).toBeLessThan(3_000);
    const neighbour = rawTo(server);
    expect(statusOf(await neighbour.call('Count', envelope({ count: 0 })))).toBe(0);
  });
});
