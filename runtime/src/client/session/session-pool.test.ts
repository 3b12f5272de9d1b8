// How many connections there are, who waits for one, and what becomes of those who cannot have any.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code } from '@connectrpc/connect';
import { describe, expect, test, vi } from 'vitest';
import { EchoService } from '../../../test/echo.ts';
import { serveEcho } from '../../../test/echo-server.ts';
import { parseAddress } from '../../address.ts';
import { connect } from '../connect.ts';
import { closeEgress, poolTo } from '../egress.ts';
import { answerGrpc, atEnd, failureOf, type RawCall, serveRaw, stopAtEnd } from '../testing.ts';
import { DEFAULT_SESSION_OPTIONS, type SessionOptions } from './session-options.ts';

stopAtEnd();

const LANES = [
  ['fast', true],
  ['adapter', false],
] as const;

/** A server that answers when it is told to. */
async function serveHeld(maxConcurrentStreams?: number) {
  const held: RawCall[] = [];
  const raw = await serveRaw((call) => held.push(call), {
    ...(maxConcurrentStreams === undefined ? {} : { settings: { maxConcurrentStreams } }),
  });
  return {
    raw,
    held,
    begun: (calls: number) => vi.waitFor(() => expect(held.length).toBe(calls)),
    release() {
      for (const { stream } of held.splice(0)) {
        answerGrpc(stream);
      }
    },
  };
}

describe.each(LANES)('by the %s lane', (_name, fastLane) => {
  const clientOf = (egress: string, sessions?: Partial<SessionOptions>) =>
    connect(EchoService, { egress, fastLane, ...(sessions === undefined ? {} : { sessions }) });
  const poolOf = (egress: string, sessions?: Partial<SessionOptions>) =>
    poolTo(parseAddress(egress), undefined, { ...DEFAULT_SESSION_OPTIONS, ...sessions });

  test('a connection is opened by the first call, and shared by all', async () => {
    const raw = await serveRaw(({ stream }) => answerGrpc(stream));
    const clients = [clientOf(raw.address), clientOf(raw.address)];
    expect(raw.opened).toBe(0);
    await Promise.all(clients.flatMap((client) => Array.from({ length: 20 }, () => client.echo({}))));
    expect(raw.opened).toBe(1);
    expect(poolOf(raw.address).size).toBe(1);
  });

  test('a second is opened before anybody waits for the first, by what the peer allows', async () => {
    const { raw, begun, release } = await serveHeld(2);
    const client = clientOf(raw.address);
    const first = [client.echo({}), client.echo({})];
    await begun(2);
    expect(raw.opened).toBe(1);
    const second = client.echo({});
    await begun(3);
    expect(raw.opened).toBe(2);
    release();
    await Promise.all([...first, second]);
  });

  test('beyond the last calls wait, and beyond those that may wait none is taken', async () => {
    const { raw, begun, release } = await serveHeld();
    const sessions = { maxStreams: 1, maxSessions: 2, maxQueued: 3 };
    const client = clientOf(raw.address, sessions);
    const open = [client.echo({}), client.echo({})];
    await begun(2);
    const waiting = [client.echo({}), client.echo({}), client.echo({})];
    await vi.waitFor(() => expect(poolOf(raw.address, sessions).queued).toBe(3));
    expect((await failureOf(client.echo({}))).code).toBe(Code.ResourceExhausted);
    release();
    await Promise.all(open);
    await begun(2);
    release();
    await begun(1);
    release();
    await Promise.all(waiting);
    expect(raw.opened).toBe(2);
  });

  test('who has a place on a connection that is on its way is not among those who may be too many', async () => {
    const { raw, begun, held, release } = await serveHeld();
    const client = clientOf(raw.address, { maxStreams: 2, maxSessions: 3, maxQueued: 1 });
    const calls = Array.from({ length: 8 }, () => client.echo({}));
    const outcomes = Promise.allSettled(calls);
    expect((await failureOf(Promise.all(calls))).code).toBe(Code.ResourceExhausted);
    await begun(6);
    release();
    await vi.waitFor(() => expect(held.length).toBe(1));
    release();
    expect((await outcomes).map(({ status }) => status).filter((status) => status === 'fulfilled')).toHaveLength(7);
  });

  test('who waits leaves the queue at its deadline, and when it is cancelled', async () => {
    const { raw, begun, held, release } = await serveHeld();
    const sessions = { maxStreams: 1, maxSessions: 1 };
    const client = clientOf(raw.address, sessions);
    const pool = poolOf(raw.address, sessions);
    const open = client.echo({});
    await begun(1);
    const controller = new AbortController();
    const late = failureOf(client.echo({}, { timeoutMs: 50 }));
    const left = failureOf(client.echo({}, { signal: controller.signal }));
    await vi.waitFor(() => expect(pool.queued).toBe(2));
    controller.abort();
    expect((await left).code).toBe(Code.Canceled);
    expect((await late).code).toBe(Code.DeadlineExceeded);
    expect(pool.queued).toBe(0);
    release();
    await open;
    const next = client.echo({});
    await begun(1);
    expect(raw.calls).toBe(2);
    expect(held).toHaveLength(1);
    release();
    await next;
  });

  test.each(['127.0.0.1:1', 'unix:/nonexistent/weft.sock', 'localhost:1'])(
    'nobody at %s is UNAVAILABLE at once, and why is its cause',
    async (egress) => {
      const failure = await failureOf(clientOf(egress).echo({}, { timeoutMs: 5_000 }));
      expect(failure.code).toBe(Code.Unavailable);
      expect(failure.rawMessage).toMatch(/ECONNREFUSED|ENOENT/);
      expect(String((failure.cause as NodeJS.ErrnoException).code)).toMatch(/ECONNREFUSED|ENOENT/);
    },
  );

  test('a peer that no longer takes connections is not besieged while others are open', async () => {
    const { raw, begun, release } = await serveHeld();
    const client = clientOf(raw.address, { maxStreams: 1, maxSessions: 4 });
    const first = client.echo({});
    await begun(1);
    let refused = 0;
    raw.server.prependListener('connection', (socket) => {
      refused += 1;
      socket.destroy();
    });
    const second = client.echo({}, { timeoutMs: 5_000 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(refused).toBeLessThanOrEqual(3);
    release();
    await first;
    await begun(1);
    release();
    await second;
  });

  test('over a Unix socket it is the same', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-pool-'));
    const server = await serveEcho({}, { listen: `unix:${folder}/echo.sock` });
    atEnd(async () => {
      await server.close();
      rmSync(folder, { recursive: true });
    });
    const client = clientOf(server.address);
    const answers = await Promise.all(['a', 'b', 'c'].map((text) => client.echo({ text })));
    expect(answers.map(({ text }) => text)).toEqual(['a', 'b', 'c']);
  });

  test('closeEgress ends what is open and what waits, and the next call opens another', async () => {
    const { raw, begun, release } = await serveHeld();
    const client = clientOf(raw.address, { maxStreams: 1, maxSessions: 1 });
    const calls = [failureOf(client.echo({})), failureOf(client.echo({}))];
    await begun(1);
    closeEgress();
    expect((await Promise.all(calls)).map(({ code }) => code)).toEqual([Code.Unavailable, Code.Unavailable]);
    raw.server.once('stream', () => setImmediate(release));
    expect((await client.echo({})).text).toBe('hi');
    expect(raw.opened).toBe(2);
  });
});

test('what a caller may not send harms nobody else', async () => {
  const raw = await serveRaw(({ stream }) => setTimeout(() => answerGrpc(stream), 20));
  for (const fastLane of [true, false]) {
    const interceptors = [
      (next: (request: never) => never) => (request: { header: Headers }) => {
        request.header.set('te', 'gzip');
        return next(request as never);
      },
    ] as never;
    const good = connect(EchoService, { egress: raw.address, fastLane });
    const bad = connect(EchoService, { egress: raw.address, fastLane, interceptors });
    const beside = good.echo({});
    expect((await failureOf(bad.echo({}))).code).toBe(Code.Internal);
    const large = good.echo({}, { headers: { 'x-large': 'x'.repeat(100_000) } });
    await failureOf(large);
    expect((await beside).text).toBe('hi');
    expect((await good.echo({})).text).toBe('hi');
  }
});
