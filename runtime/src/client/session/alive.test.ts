// Connections that die without a word, that nobody needs, or that never begin.

import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Code } from '@connectrpc/connect';
import { describe, expect, test, vi } from 'vitest';
import { EchoService } from '../../../test/echo.ts';
import { serveEcho } from '../../../test/echo-server.ts';
import { parseAddress } from '../../address.ts';
import { connect } from '../connect.ts';
import { poolTo } from '../egress.ts';
import { answerGrpc, atEnd, failureOf, listening, serveRaw, silentProxy, stopAtEnd } from '../testing.ts';
import { DEFAULT_SESSION_OPTIONS } from './session-options.ts';

stopAtEnd();

const LANES = [
  ['fast', true],
  ['adapter', false],
] as const;
/** Far more than any of these waits should take, on a machine that is busy. */
const LONG_MS = 10_000;

describe.each(LANES)('a peer that goes silent, by the %s lane', (_name, fastLane) => {
  async function throughProxy(sessions: { pingAfterMs: number; pingTimeoutMs: number }, openIndex?: number) {
    const raw = await serveRaw(({ stream, index }) => (index === openIndex ? undefined : answerGrpc(stream)));
    const proxy = await silentProxy(raw.address);
    return { raw, proxy, client: connect(EchoService, { egress: proxy.address, fastLane, sessions }) };
  }

  test('under an open call: the call fails, and the next goes another way', async () => {
    const { raw, proxy, client } = await throughProxy({ pingAfterMs: 100, pingTimeoutMs: 100 }, 1);
    await client.echo({});
    const open = failureOf(client.echo({}));
    await vi.waitFor(() => expect(raw.calls).toBe(2));
    proxy.goSilent();
    const startMs = performance.now();
    expect((await open).code).toBe(Code.Unavailable);
    expect(performance.now() - startMs).toBeLessThan(LONG_MS);
    expect((await client.echo({})).text).toBe('hi');
    expect(proxy.opened).toBe(2);
  });

  test('while nobody calls: the connection is looked at before it is used', async () => {
    const { proxy, client } = await throughProxy({ pingAfterMs: 50, pingTimeoutMs: 100 });
    await client.echo({});
    proxy.goSilent();
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect((await client.echo({}, { timeoutMs: LONG_MS })).text).toBe('hi');
    expect(proxy.opened).toBe(2);
  });

  test('under calls that end by their deadlines: that they end is no sign of life', async () => {
    const { raw, proxy, client } = await throughProxy({ pingAfterMs: 200, pingTimeoutMs: 100 });
    await client.echo({});
    proxy.goSilent();
    let failed = 0;
    await vi.waitFor(
      async () => {
        failed += 1;
        // So that the connection is without calls in between.
        await new Promise((resolve) => setTimeout(resolve, 20));
        expect((await client.echo({}, { timeoutMs: 80 })).text).toBe('hi');
      },
      { timeout: LONG_MS, interval: 1 },
    );
    expect(failed).toBeGreaterThan(1);
    expect(raw.opened).toBe(2);
  });

  test('a peer that answers late, but answers PINGs, is waited for', async () => {
    const raw = await serveRaw(({ stream }) => setTimeout(() => answerGrpc(stream), 300));
    const sessions = { pingAfterMs: 40, pingTimeoutMs: 5_000 };
    const client = connect(EchoService, { egress: raw.address, fastLane, sessions });
    expect((await client.echo({})).text).toBe('hi');
    expect(raw.opened).toBe(1);
  });

  test('a PING that is on its way when the last call ends does not keep the next from the connection', async () => {
    const { raw, proxy, client } = await throughProxy({ pingAfterMs: 30, pingTimeoutMs: 60_000 });
    await client.echo({});
    proxy.goSilent();
    await failureOf(client.echo({}, { timeoutMs: 90 }));
    await new Promise((resolve) => setTimeout(resolve, 60));
    const next = client.echo({}, { timeoutMs: LONG_MS });
    await new Promise((resolve) => setTimeout(resolve, 10));
    proxy.speak();
    expect((await next).text).toBe('hi');
    expect(raw.opened).toBe(1);
  });
});

test('a connection that nobody uses is closed, and the next call opens another', async () => {
  const raw = await serveRaw(({ stream }) => answerGrpc(stream));
  const client = connect(EchoService, { egress: raw.address, sessions: { idleMs: 60 } });
  await client.echo({});
  await vi.waitFor(() => expect(raw.sessions.size).toBe(0), { timeout: LONG_MS });
  await client.echo({});
  expect(raw.opened).toBe(2);
});

test('a call that takes longer than a connection may be idle is no idleness', async () => {
  const raw = await serveRaw(({ stream }) => setTimeout(() => answerGrpc(stream), 300));
  const client = connect(EchoService, { egress: raw.address, sessions: { idleMs: 40 } });
  expect((await client.echo({})).text).toBe('hi');
});

describe('a peer that does not begin', () => {
  test.each([
    ['says nothing', () => {}],
    ['is no HTTP/2', (write: (text: string) => void) => write('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ])('and %s is UNAVAILABLE in time', async (_what, greet) => {
    let opened = 0;
    const server = createServer((socket) => {
      opened += 1;
      socket.on('error', () => {});
      greet((text) => socket.write(text));
      atEnd(() => socket.destroy());
    });
    const egress = await listening(server);
    atEnd(() => server.close());
    const sessions = { connectMaxMs: 100 };
    const calls = ['a', 'b'].map((text) => failureOf(connect(EchoService, { egress, sessions }).echo({ text })));
    expect((await Promise.all(calls)).map(({ code }) => code)).toEqual([Code.Unavailable, Code.Unavailable]);
    expect(opened).toBe(1);
    const pool = poolTo(parseAddress(egress), undefined, { ...DEFAULT_SESSION_OPTIONS, ...sessions });
    await vi.waitFor(() => expect([pool.size, pool.queued]).toEqual([0, 0]));
  });
});

test('a process can end while connections are open that nobody uses', async () => {
  const server = await serveEcho();
  atEnd(() => server.close());
  const own = (path: string) => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)));
  const script = `
    import { connect } from ${own('../connect.ts')};
    import { EchoService } from ${own('../../../test/echo.ts')};
    for (const fastLane of [true, false]) {
      const client = connect(EchoService, { egress: ${JSON.stringify(server.address)}, fastLane });
      console.log((await client.echo({ text: 'done' }, { timeoutMs: 60_000 })).text);
    }
    const { echo } = connect(EchoService, { egress: ${JSON.stringify(server.address)}, protocol: 'connect', sessions: { maxStreams: 1 } });
    await Promise.all([echo({}), echo({})]);
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    timeout: 20_000,
  });
  expect(stdout).toBe('done\ndone\n');
});

test('thousands of calls leave nothing behind', async () => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const raw = await serveRaw(({ stream }) => answerGrpc(stream));
  const { echo } = connect(EchoService, { egress: raw.address });
  const calls = async (count: number) => {
    const { signal } = new AbortController();
    for (let n = 0; n < count; n += 1) {
      await echo({ text: 'x'.repeat(1_000) }, { signal, timeoutMs: 60_000 });
    }
    // Node frees the native part of a stream after its events.
    await new Promise((resolve) => setTimeout(resolve, 20));
    collect();
    return { heapBytes: process.memoryUsage().heapUsed, handles: process.getActiveResourcesInfo().length };
  };
  const before = await calls(1_000);
  const after = await calls(9_000);
  expect(after.heapBytes - before.heapBytes).toBeLessThan(9_000 * 100);
  expect(after.handles).toBeLessThanOrEqual(before.handles + 1);
  expect(raw.opened).toBe(1);
}, 60_000);
