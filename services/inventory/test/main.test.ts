import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { connect } from '@weft/runtime/client/connect';
import { reasonOf } from '@weft/runtime/errors/fail';
import { afterEach, expect, test } from 'vitest';
import { testDatabase } from '../../../dev/src/testing.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) {
    await end();
  }
});

/** Starts the process with this environment. */
function start(environment: Record<string, string>) {
  const child = spawn(process.execPath, [new URL('../src/main.ts', import.meta.url).pathname], {
    env: { PATH: process.env.PATH ?? '', OTEL_SDK_DISABLED: 'true', ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  ends.push(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const lines: { level: string; message: string }[] = [];
  const read = createInterface(child.stderr);
  read.on('line', (line) => lines.push(JSON.parse(line)));
  return { child, exited, lines };
}

test('serves on a socket that only its user may open, and ends cleanly when told', async () => {
  const database = await testDatabase('inventory');
  ends.push(() => database.drop());
  const folder = await mkdtemp(join(tmpdir(), 'weft-inventory-'));
  ends.push(() => rm(folder, { recursive: true }));
  const socket = join(folder, 'app.sock');
  const { child, exited, lines } = start({
    WEFT_WORKLOAD: 'inventory',
    WEFT_LISTEN: `unix:${socket}`,
    DATABASE_URL: database.url,
  });
  await expect.poll(() => lines.map(({ message }) => message), { timeout: 20_000 }).toContain('listening');
  expect((await stat(socket)).mode & 0o777).toBe(0o600);
  const items = connect(ItemService, { egress: `unix:${socket}`, policy: policies });
  expect(reasonOf(await items.getItem({ sku: 'NONE' }).catch((error: unknown) => error))).toBe('ITEM_NOT_FOUND');
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
});

test('says what is missing in its environment', async () => {
  const { exited, lines } = start({ WEFT_WORKLOAD: 'inventory', WEFT_LISTEN: '127.0.0.1:0' });
  expect(await exited).toEqual([1, null]);
  expect(lines.at(-1)?.message).toContain('DATABASE_URL');
});
