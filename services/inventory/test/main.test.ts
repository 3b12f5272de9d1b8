import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { connect } from '@weft/runtime/client/connect';
import { reasonOf } from '@weft/runtime/errors/fail';
import { expect, onTestFinished, test } from 'vitest';
import { startWorkload } from '../../../dev/src/testing/workload-process.ts';
import { testDatabase } from '../../../dev/src/testing.ts';

test('serves on a socket that only its user may open, and ends cleanly when told', async () => {
  const database = await testDatabase('inventory');
  onTestFinished(() => database.drop());
  const folder = await mkdtemp(join(tmpdir(), 'weft-inventory-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const socket = join(folder, 'app.sock');
  const { child, exited, lines } = startWorkload('inventory', {
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
  const { exited, lines } = startWorkload('inventory', { WEFT_LISTEN: '127.0.0.1:0' });
  expect(await exited).toEqual([1, null]);
  expect(lines.at(-1)?.message).toContain('DATABASE_URL');
});
