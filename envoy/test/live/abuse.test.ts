/**
 * Callers who mean harm, or are merely broken: at the edge, and at a sidecar with a valid identity. While they do it, others are
 * served on connections of their own, and afterwards both Envoys are the processes that they were.
 */
import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { createConnection } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { waitFor } from '../../../dev/src/wait.ts';
import { type ExampleMesh, nameOf, startExampleMesh } from '../support/example-mesh.ts';
import { headersSeen } from '../support/grpc-client.ts';
import { frame, textMessage } from '../support/wire.ts';

const shelf = 'acme.shelf.v1.ShelfService';

let mesh: ExampleMesh;
beforeAll(async () => {
  // The shelf takes four requests at once, which anyone can hold for the length of a deadline; here others' limits are looked at.
  mesh = await startExampleMesh({
    spoil: (_, bootstrap) => bootstrap.replace('max_requests: 4,', 'max_requests: 1024,'),
  });
}, 60_000);
afterAll(async () => {
  await mesh?.stop();
});

type Door = 'edge' | 'shelf';

/** A connection to the edge as a stranger, or to the shelf's sidecar as the desk. */
async function open(door: Door): Promise<ClientHttp2Session> {
  if (door === 'edge') return quiet(connect(`http://127.0.0.1:${mesh.edgePort}`));
  const identity = await mesh.identity(nameOf('desk'));
  const path = mesh.socketOf('shelf', 'in');
  const createSocket = () =>
    connectTls({
      path,
      ALPNProtocols: ['h2'],
      cert: identity.certificate,
      key: identity.privateKey,
      ca: identity.trusted,
      checkServerIdentity: () => undefined, // SPIFFE ids are no host names.
    });
  return quiet(connect('https://shelf', { createConnection: createSocket }));
}

/** What becomes of an abuser's connection is the Envoy's affair. */
function quiet(session: ClientHttp2Session): ClientHttp2Session {
  session.on('error', () => {});
  return session;
}

const requestOf = (rpc: string, more: Record<string, string> = {}) => ({
  ':method': 'POST',
  ':path': `/${shelf}/${rpc}`,
  'content-type': 'application/grpc',
  te: 'trailers',
  ...more,
});

/** Goes on calling on a connection of its own until it is told to stop; what failed is what it resolves with. */
function bystander(door: Door): { end(): Promise<string[]> } {
  let going = true;
  const failures: string[] = [];
  let calls = 0;
  const done = (async () => {
    const client = door === 'edge' ? mesh.stranger() : mesh.callerAs(await mesh.identity(nameOf('desk')));
    while (going || calls < 5) {
      const answer = await client
        .call({ rpc: `${shelf}/GetBook` })
        .catch((error: unknown) => ({ status: String(error) }));
      if (answer.status !== 0) failures.push(String(answer.status));
      calls += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return {
    async end() {
      going = false;
      await done;
      return failures;
    },
  };
}

/** Resident memory of a workload's Envoy, in MiB. */
function memoryOf(door: Door): number {
  const [, kib = ''] =
    /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${mesh.processOf(door).pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

const isAlive = (door: Door): boolean => {
  const { exitCode, signalCode } = mesh.processOf(door);
  return exitCode === null && signalCode === null;
};

const abuses: Record<string, (session: ClientHttp2Session) => Promise<unknown>> = {
  '1,500 calls that are cancelled at once': async (session) => {
    for (let count = 0; count < 1500 && !session.destroyed; count += 1) {
      const stream = session.request(requestOf('GetBook'));
      stream.on('error', () => {});
      stream.close(constants.NGHTTP2_CANCEL);
      if (count % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
    }
  },
  'calls whose answers nobody reads': async (session) => {
    for (let count = 0; count < 200 && !session.destroyed; count += 1) {
      const stream = session.request(requestOf('WatchBooks'));
      stream.on('error', () => {});
      stream.pause();
      stream.end(frame(textMessage('')));
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  },
  'bodies that never come': async (session) => {
    for (let count = 0; count < 200 && !session.destroyed; count += 1) {
      session.request(requestOf('GetBook')).on('error', () => {});
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  },
  'a flood of headers': async (session) => {
    const many = Object.fromEntries(Array.from({ length: 95 }, (_, index) => [`x-many-${index}`, 'v'.repeat(600)]));
    for (let count = 0; count < 100 && !session.destroyed; count += 1) {
      session
        .request(requestOf('GetBook', many))
        .on('error', () => {})
        .end();
      if (count % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 10));
    }
  },
  'pings and settings without end': async (session) => {
    for (let count = 0; count < 3000 && !session.destroyed; count += 1) {
      session.ping(() => {});
      if (count % 100 === 0) session.settings({ initialWindowSize: 65_535 + count });
      if (count % 200 === 199) await new Promise((resolve) => setImmediate(resolve));
    }
  },
};

describe.each(['edge', 'shelf'] as const)('at the door of the %s', (door) => {
  test.each(Object.keys(abuses))('%s', async (name) => {
    const before = memoryOf(door);
    const other = bystander(door);
    const session = await open(door);
    await abuses[name]?.(session);
    session.destroy();
    expect(await other.end()).toEqual([]);
    expect(isAlive(door)).toBe(true);
    // What it may buffer for one connection is a few MiB.
    await waitFor('memory to be given back, or to stay small', async () => memoryOf(door) - before < 64, {
      withinMs: 20_000,
    });
    const again = door === 'edge' ? mesh.stranger() : mesh.callerAs(await mesh.identity(nameOf('desk')));
    expect((await again.call({ rpc: `${shelf}/GetBook` })).status).toBe(0);
  });
});

test('a connection that sends no HTTP is closed, and the others are not', async () => {
  const other = bystander('edge');
  const socket = createConnection(mesh.edgePort, '127.0.0.1');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => {});
  socket.resume();
  socket.end('\x16\x03\x01 this is no HTTP\r\n\r\n');
  await closed;
  expect(await other.end()).toEqual([]);
});

describe('x-envoy-* from outside', () => {
  const orders: Record<string, string> = {
    'x-envoy-max-retries': '9',
    'x-envoy-retry-on': '5xx,retriable-status-codes,reset',
    'x-envoy-retry-grpc-on': 'internal,not-found,unavailable',
    'x-envoy-upstream-rq-timeout-ms': '1',
    'x-envoy-upstream-rq-per-try-timeout-ms': '1',
    'x-envoy-expected-rq-timeout-ms': '1',
    'x-envoy-hedge-on-per-try-timeout': 'true',
    'x-envoy-upstream-alt-stat-name': 'mine',
    'x-envoy-decorator-operation': 'mine',
    'x-envoy-force-trace': 'true',
    'x-envoy-internal': 'true',
    'x-envoy-original-path': '/elsewhere',
    'x-envoy-ip-tags': 'trusted',
    'x-forwarded-for': '10.0.0.1',
  };

  test.each(Object.keys(orders))('%s changes nothing', async (name) => {
    const headers = { [name]: orders[name] ?? '' };
    const answer = await mesh.stranger().call({ rpc: `${shelf}/GetBook`, headers });
    expect(answer.status).toBe(0);
    expect(headersSeen(answer)).not.toHaveProperty([name]);
    const script = `fail-first:9:5:${name}`;
    await mesh.stranger().call({ rpc: `${shelf}/GetBook`, script, headers });
    expect(mesh.shelf.withScript(script)).toHaveLength(1);
  });
});
