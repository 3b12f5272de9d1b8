/** Asks an Envoy for the bootstrap that it runs with. */
import { request } from 'node:http';
import { relative, resolve } from 'node:path';
import { configDumpPath } from '../blocks/process.ts';
import type { Address } from '../topology/topology.ts';

/** Longest that an Envoy may be silent. */
const patienceMs = 10_000;

/**
 * The bootstrap as Envoy's JSON. Rejects with an Error in plain words when nobody answers, or with something else.
 *
 * @param folder what the path of a Unix socket is relative to: the folder in which the Envoy was started.
 */
export async function liveBootstrap(admin: Address, folder: string): Promise<unknown> {
  const { status, body } = await ask(admin, folder);
  if (status !== 200) throw new Error(`its admin interface answers ${status} to ${configDumpPath}`);
  const { configs = [] } = JSON.parse(body) as { configs?: readonly { bootstrap?: unknown }[] };
  const bootstrap = configs.find((config) => config.bootstrap !== undefined)?.bootstrap;
  if (bootstrap === undefined) throw new Error('its admin interface tells no bootstrap');
  return bootstrap;
}

/** Paths of sockets are cut off after some hundred bytes, and folders of checkouts are long. */
function shortest(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.length < path.length ? fromHere : path;
}

function ask(admin: Address, folder: string): Promise<{ status: number; body: string }> {
  const to =
    admin.kind === 'unix'
      ? { socketPath: shortest(resolve(folder, admin.path)) }
      : { host: admin.host, port: admin.port };
  return new Promise((done, fail) => {
    const call = request({ ...to, path: configDumpPath, agent: false, timeout: patienceMs }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => done({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
      response.on('error', fail);
    });
    call.on('timeout', () => call.destroy(new Error(`it did not answer within ${patienceMs / 1000} s`)));
    call.on('error', (error: NodeJS.ErrnoException) => {
      const isAway = error.code === 'ENOENT' || error.code === 'ECONNREFUSED';
      fail(isAway ? new Error('nobody answers at its admin address; it is not running') : error);
    });
    call.end();
  });
}
