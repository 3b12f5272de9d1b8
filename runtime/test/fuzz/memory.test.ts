// What hostile callers leave behind: nothing. The heap after many rounds of attacks is what it was after the first few.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { RunningServer } from '../../src/server/serve.ts';
import { attacks } from './attacks.ts';
import './patience.ts';
import { askPolitely, RUNS, serveTarget, soon } from './subject.ts';

/** Rounds until all code is compiled and all tables that are bounded are full. */
const WARM_UP_ROUNDS = 12;
const ROUNDS = Math.ceil(RUNS / 6);
/** A round has 26 connections and 1,000 streams: two kilobytes left by each connection would be more, or 50 bytes by each stream. */
const GROWTH_OF_ROUND_MAX_BYTES = 50_000;

let server: RunningServer;

beforeAll(async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  server = await serveTarget();
});
afterAll(async () => {
  vi.restoreAllMocks();
  await server.close();
});

/** The heap once all that nobody holds is gone. */
async function heapBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  for (let n = 0; n < 4; n += 1) {
    // What closes does so in turns of the event loop, and native handles go one collection later.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  return process.memoryUsage().heapUsed;
}

test('hostile callers leave nothing behind', async () => {
  const round = async () => {
    for (const attack of attacks) {
      await soon(attack.run(server.address), attack.name);
    }
    await askPolitely(server.address);
  };
  for (let n = 0; n < WARM_UP_ROUNDS; n += 1) {
    await round();
  }
  const before = await heapBytes();
  for (let n = 0; n < ROUNDS; n += 1) {
    await round();
  }
  expect((await heapBytes()) - before).toBeLessThan(ROUNDS * GROWTH_OF_ROUND_MAX_BYTES);
});
