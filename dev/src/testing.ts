/**
 * For tests: `testDatabase('inventory')` gives an empty database with the service's tables, `testMesh()` the whole mesh with
 * the sample shop. Both are real and shared by a run of vitest (testing/broker.ts).
 */
import { inject } from 'vitest';
import { askSocket } from './socket-request.ts';
import type { MeshDescription } from './testing/shared-mesh.ts';
import { TokenMint, type TokenOptions } from './tokens.ts';

export interface TestDatabase {
  /** Address for the service's own role. */
  url: string;
  /** Drops the database; open connections are closed by the server. */
  drop(): Promise<void>;
}

/** A new database to which the migrations of `services/<service>/prisma` have been applied. Takes about 50 ms, the first 2 s. */
export async function testDatabase(service: string): Promise<TestDatabase> {
  const { url } = await ask<{ url: string }>('/database/create', { service });
  return { url, drop: () => ask('/database/drop', { url }) };
}

export interface TestMesh extends MeshDescription {
  /** A bearer token that the edge accepts. */
  token(options?: TokenOptions): Promise<string>;
  /** SIGKILL; the supervisor starts the process again. */
  kill(name: string): Promise<void>;
  /** Stops a process gracefully, and it stays down until `start`. */
  stop(name: string): Promise<void>;
  start(name: string): Promise<void>;
  /** Takes a workload down and up again without a failed call. */
  restart(name: string): Promise<void>;
  /** Resolves when the process is up and ready. */
  ready(name: string): Promise<void>;
}

/** The mesh that all tests of a run share. A test that takes a process down brings it up again. */
export async function testMesh(): Promise<TestMesh> {
  const description = await ask<MeshDescription>('/mesh', {});
  const mint = await TokenMint.open(description.stateFolder);
  const act = (verb: string) => (name: string) => ask<void>('/mesh/act', { verb, name });
  return {
    ...description,
    token: (options) => mint.mint(options),
    kill: act('kill'),
    stop: act('stop'),
    start: act('start'),
    restart: act('restart'),
    ready: act('ready'),
  };
}

async function ask<T>(path: string, parameters: Record<string, string>): Promise<T> {
  const { status, body } = await askSocket(inject('broker'), `${path}?${new URLSearchParams(parameters)}`);
  if (status !== 200) throw new Error(body);
  return JSON.parse(body) as T;
}
