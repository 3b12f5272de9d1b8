// What both lanes send, and what interceptors see and may change.

import type { IncomingHttpHeaders } from 'node:http2';
import { gunzipSync } from 'node:zlib';
import { Code, ConnectError, createContextKey, createContextValues, type Interceptor } from '@connectrpc/connect';
import { describe, expect, test } from 'vitest';
import { EchoService, echoPolicy } from '../../../test/echo.ts';
import { serveEcho } from '../../../test/echo-server.ts';
import { reasonOf } from '../../errors/fail.ts';
import { type ConnectOptions, connect } from '../connect.ts';
import { answerGrpc, atEnd, failureOf, message, outcomeOf, serveRaw, stopAtEnd } from '../testing.ts';

stopAtEnd();

type CallOptions = NonNullable<Parameters<ReturnType<typeof connect<typeof EchoService>>['echo']>[1]>;
type Request = { readonly headers: IncomingHttpHeaders; readonly body: Buffer };

/** A server that answers either protocol, and keeps what it was asked. */
async function serveNoting() {
  const requests: Request[] = [];
  const raw = await serveRaw(({ stream, headers }) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      requests.push({ headers, body: Buffer.concat(chunks) });
      if (String(headers['content-type']).startsWith('application/grpc')) {
        answerGrpc(stream);
      } else {
        stream.respond({ ':status': 200, 'content-type': 'application/proto' });
        stream.end(message('hi'));
      }
    });
  });
  return { address: raw.address, requests };
}

/** The requests of both lanes for one call. */
async function sentByBoth(options: Partial<ConnectOptions>, call: CallOptions, text = 'hi') {
  const { address, requests } = await serveNoting();
  for (const fastLane of [true, false]) {
    await connect(EchoService, { ...options, egress: address, fastLane }).echo({ text }, call);
  }
  const [fast, adapter] = requests;
  if (fast === undefined || adapter === undefined) {
    throw new Error('not both lanes asked');
  }
  return { fast, adapter };
}

const PROTOCOLS = ['grpc', 'connect'] as const;
/** What a lane may say in its own way. */
const OWN = ['user-agent', 'content-length', ':scheme'];
const shared = (headers: IncomingHttpHeaders) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !OWN.includes(name)));

describe.each(PROTOCOLS)('in %s both lanes send', (protocol) => {
  test("a caller's own headers: several of a name, binary, and by any name", async () => {
    const headers = new Headers({ 'x-one': 'a', 'x-bin': 'AAEC', 'user-agent': 'me/1', trailers: 'yes', '1': 'one' });
    headers.append('x-one', 'b');
    const { fast, adapter } = await sentByBoth({ protocol }, { headers });
    expect(shared(fast.headers)).toEqual(shared(adapter.headers));
    expect(fast.headers).toMatchObject({ 'x-one': 'a, b', 'x-bin': 'AAEC', trailers: 'yes', '1': 'one' });
    expect([fast.headers['user-agent'], adapter.headers['user-agent']]).toEqual(['me/1', 'me/1']);
    expect(fast.body).toEqual(adapter.body);
  });

  test("none that is the protocol's or HTTP's", async () => {
    const plain = await sentByBoth({ protocol }, {});
    const headers = {
      ...{ host: 'x', connection: 'close', 'keep-alive': '1', 'transfer-encoding': 'chunked', upgrade: 'h2c' },
      ...{ te: 'gzip', 'content-type': 'text/html', 'content-length': '1', 'content-encoding': 'br' },
      ...{ 'proxy-connection': 'close', 'accept-encoding': 'br', 'grpc-encoding': 'br', 'grpc-timeout': '1n' },
      ...{ 'connect-timeout-ms': '1', 'connect-protocol-version': '7', 'grpc-accept-encoding': 'br' },
    };
    const { fast, adapter } = await sentByBoth({ protocol }, { headers });
    for (const sent of [fast, adapter]) {
      expect(shared(sent.headers)).toEqual({ ...shared(plain.fast.headers), ':authority': sent.headers[':authority'] });
    }
  });

  test.each([
    [1_500, '1500m', '1500'],
    [99_999_999, '99999999m', '99999999'],
    [100_000_001, '100001S', '100000001'],
    [1e15, '99999999S', '9999999999'],
  ])('a timeout of %s ms', async (timeoutMs, grpc, connects) => {
    const { address, requests } = await serveNoting();
    await connect(EchoService, { egress: address, protocol }).echo({}, { timeoutMs });
    const headers: IncomingHttpHeaders = requests[0]?.headers ?? {};
    expect(headers[protocol === 'grpc' ? 'grpc-timeout' : 'connect-timeout-ms']).toBe(
      protocol === 'grpc' ? grpc : connects,
    );
  });

  test('compressed what is large enough', async () => {
    const options = { protocol, sendCompression: 'gzip', compressMinBytes: 100 } as const;
    const encoding = protocol === 'grpc' ? 'grpc-encoding' : 'content-encoding';
    const headBytes = protocol === 'grpc' ? 5 : 0;
    const text = 'x'.repeat(500);
    const { fast, adapter } = await sentByBoth(options, {}, text);
    for (const { headers, body } of [fast, adapter]) {
      expect(headers[encoding]).toBe('gzip');
      expect(body.length).toBeLessThan(100);
      expect(gunzipSync(body.subarray(headBytes)).includes(text)).toBe(true);
    }
    const small = await sentByBoth(options, {}, 'small');
    expect(small.fast.body).toEqual(small.adapter.body);
  });

  test('nothing that is too large or not of its type', async () => {
    const { address, requests } = await serveNoting();
    for (const fastLane of [true, false]) {
      const { echo } = connect(EchoService, { egress: address, protocol, fastLane, writeMaxBytes: 100 });
      expect((await outcomeOf(echo({ text: 'x'.repeat(101) }))).code).toBe('ResourceExhausted');
      expect((await outcomeOf(echo({ count: 'many' } as never))).code).toBe('Internal');
    }
    expect(requests).toEqual([]);
  });

  test('no header that is none', async () => {
    const { address, requests } = await serveNoting();
    for (const fastLane of [true, false]) {
      const { echo } = connect(EchoService, { egress: address, protocol, fastLane });
      expect((await failureOf(echo({}, { headers: { 'not a name': 'x' } }))).code).toBe(Code.Internal);
    }
    expect(requests).toEqual([]);
  });
});

describe.each([
  ['fast', true],
  ['adapter', false],
] as const)('an interceptor on the %s lane', (_name, fastLane) => {
  async function clientWith(protocol: 'grpc' | 'connect', ...interceptors: Interceptor[]) {
    const server = await serveEcho(
      {
        echo: ({ text }, { responseHeader }) => {
          responseHeader.set('x-answer', 'yes');
          if (text === 'fail') {
            throw new ConnectError('no', Code.NotFound);
          }
          return { text };
        },
      },
      { policy: undefined, workload: undefined } as never,
    );
    atEnd(() => server.close());
    return { server, client: connect(EchoService, { egress: server.address, protocol, fastLane, interceptors }) };
  }

  test.each(PROTOCOLS)('sees the headers of %s, the method and the context', async (protocol) => {
    const key = createContextKey('nothing');
    const seen: unknown[] = [];
    const { client } = await clientWith(protocol, (next) => (request) => {
      const names = ['content-type', 'grpc-timeout', 'connect-timeout-ms', 'te', 'x-own'];
      seen.push(
        names.map((name) => request.header.get(name)),
        request.contextValues.get(key),
      );
      seen.push(request.method.name, request.stream, request.requestMethod, new URL(request.url).pathname);
      return next(request);
    });
    const contextValues = createContextValues().set(key, 'mine');
    await client.echo({}, { timeoutMs: 5_000, headers: { 'x-own': 'a' }, contextValues });
    expect(seen).toEqual([
      protocol === 'grpc'
        ? ['application/grpc+proto', '5000m', null, 'trailers', 'a']
        : ['application/proto', null, '5000', null, 'a'],
      'mine',
      ...['Echo', false, 'POST', '/weft.test.v1.EchoService/Echo'],
    ]);
  });

  test('changes headers, message and answer', async () => {
    const header: (string | null)[] = [];
    const { client } = await clientWith('grpc', (next) => async (request) => {
      if (request.stream) {
        return next(request);
      }
      request.header.set('x-more', 'b');
      const response = await next({ ...request, message: { ...request.message, text: 'changed' } as never });
      header.push(response.header.get('x-answer'));
      return response.stream ? response : { ...response, message: { ...response.message, count: 7 } as never };
    });
    expect(await client.echo({ text: 'hi' })).toMatchObject({ text: 'changed', count: 7 });
    expect(header).toEqual(['yes']);
  });

  test('throws, before and after', async () => {
    const failing: Interceptor[] = [
      () => () => Promise.reject(new ConnectError('before', Code.FailedPrecondition)),
      (next) => async (request) => {
        await next(request);
        throw new ConnectError('after', Code.FailedPrecondition);
      },
      (next) => async (request) => {
        await next(request);
        throw new Error('after, and not of Connect');
      },
    ];
    const codes: (Code | undefined)[] = [];
    for (const interceptor of failing) {
      const { client } = await clientWith('grpc', interceptor);
      codes.push((await failureOf(client.echo({}))).code);
    }
    expect(codes).toEqual([Code.FailedPrecondition, Code.FailedPrecondition, Code.Unknown]);
  });

  test('answers without asking, and asks twice', async () => {
    const { client, server } = await clientWith('grpc', (next) => async (request) => {
      if (request.stream || request.header.has('x-ask')) {
        return next(request).catch(() => next(request));
      }
      const { service, method } = request;
      const own = { stream: false, service, method, header: new Headers(), trailer: new Headers() } as const;
      return { ...own, message: { $typeName: 'weft.test.v1.EchoResponse', text: 'own', count: 1 } as never };
    });
    expect((await client.echo({})).text).toBe('own');
    expect(server.lanes.fast).toBe(0);
    expect((await failureOf(client.echo({ text: 'fail' }, { headers: { 'x-ask': '1' } }))).code).toBe(Code.NotFound);
    expect(server.lanes.fast).toBe(2);
  });

  test('sees errors as they were received, and callers see typed ones', async () => {
    const codes: Code[] = [];
    const { server } = await clientWith('grpc');
    const interceptor: Interceptor = (next) => async (request) => {
      try {
        return await next(request);
      } catch (error) {
        const received = ConnectError.from(error);
        codes.push(received.code);
        expect(reasonOf(received)).toBeUndefined();
        throw new Error('in other words', { cause: error });
      }
    };
    const client = connect(EchoService, {
      egress: server.address,
      policy: echoPolicy,
      fastLane,
      interceptors: [interceptor],
    });
    expect(reasonOf(await failureOf(client.echo({ text: 'fail' })))).toBe('INTERNAL');
    expect(codes).toEqual([Code.NotFound]);
  });

  test('sees the call end by its deadline and by its signal', async () => {
    const reasons: unknown[] = [];
    const { client } = await clientWith('grpc', () => (request) => {
      return new Promise((_, reject) => {
        request.signal.addEventListener('abort', () => {
          reasons.push(ConnectError.from(request.signal.reason, Code.Canceled).code);
          reject(new Error('aborted'));
        });
      });
    });
    const controller = new AbortController();
    const left = failureOf(client.echo({}, { signal: controller.signal }));
    controller.abort();
    expect((await left).code).toBe(Code.Canceled);
    expect((await failureOf(client.echo({}, { timeoutMs: 20 }))).code).toBe(Code.DeadlineExceeded);
    expect(reasons).toEqual([Code.Canceled, Code.DeadlineExceeded]);
  });
});
