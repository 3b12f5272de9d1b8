/** The servers and the programs of Go that the cases are run against, each on a free port of the loopback. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { goProgram } from '../conformance/go-programs.ts';
import { implement } from '../src/server/implement.ts';
import { serve } from '../src/server/serve.ts';
import { serveByGrpcJs } from './grpc-js-server.ts';
import { TestService } from './grpc-testing.ts';
import { testService } from './test-service.ts';

/** A certificate that is its own authority, and its key; undefined: no TLS. */
export type Identity = { readonly cert: string; readonly key: string } | undefined;

/** A server that listens. */
export type Peer = { readonly address: string; close(): Promise<void> };

const START_MAX_MS = 10_000;
const LOOK_EVERY_MS = 20;

/** Ours. */
export async function startServe(
  identity: Identity,
): Promise<Peer & { readonly lanes: Awaited<ReturnType<typeof serve>>['lanes'] }> {
  const server = await serve({
    listen: '127.0.0.1:0',
    services: [implement(TestService, testService)],
    ...(identity === undefined ? {} : { tls: identity }),
  });
  return {
    address: server.address,
    close: () => server.close(),
    get lanes() {
      return server.lanes;
    },
  };
}

/** That of grpc-js. */
export async function startGrpcJs(identity: Identity): Promise<Peer> {
  const credentials =
    identity === undefined
      ? grpc.ServerCredentials.createInsecure()
      : grpc.ServerCredentials.createSsl(null, [
          { cert_chain: Buffer.from(identity.cert), private_key: Buffer.from(identity.key) },
        ]);
  const { address, close } = await serveByGrpcJs(credentials);
  return { address, close: async () => close() };
}

/** That of grpc-go; undefined where there is no Go to build it. */
export async function startGrpcGo(identity: Identity): Promise<Peer | undefined> {
  const program = await goProgram('grpc-interop/server');
  if (program === undefined) return undefined;
  const port = await freePort();
  const files = await filesOf(identity);
  const tls = files === undefined ? [] : ['-use_tls', '-tls_cert_file', files.cert, '-tls_key_file', files.key];
  const child = spawn(program, ['-port', `${port}`, ...tls], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const close = async () => {
    child.kill();
    await exited;
    await files?.remove();
  };
  const end = Date.now() + START_MAX_MS;
  while (!(await answers(port))) {
    if (Date.now() > end || child.exitCode !== null) {
      await close();
      throw new Error(`grpc-go's server does not listen on port ${port} after ${START_MAX_MS} ms`);
    }
    await delay(LOOK_EVERY_MS);
  }
  return { address: `127.0.0.1:${port}`, close };
}

/** What a program said and how it ended. */
export type Ended = { readonly code: number | null; readonly output: string };

/** Runs a program to its end. @param maxMs after which it is killed. */
export async function runProgram(program: string, argv: readonly string[], maxMs: number): Promise<Ended> {
  const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'pipe'], timeout: maxMs });
  let output = '';
  const collect = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const [code] = await once(child, 'close');
  return { code, output };
}

/** An identity as files, for programs. */
export async function filesOf(identity: Identity) {
  if (identity === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'weft-interop-'));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  await writeFile(cert, identity.cert);
  await writeFile(key, identity.key, { mode: 0o600 });
  return { cert, key, remove: () => rm(folder, { recursive: true }) };
}

/** A port that was free a moment ago, for programs that cannot be told to take any. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a port was asked for');
  return address.port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
