/**
 * Inventory against a model of it: whatever a caller does, one thing after the other, both have the same outcome and are in the same state
 * after each. Many callers at once are drift.test.ts's.
 */

import fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';
import { NEVER_MS, startInventory, type TestInventory } from './harness.ts';
import { checkInvariants } from './invariants.ts';
import { COMMANDS, startModel } from './model/commands.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory({ sweepIntervalMs: NEVER_MS });
});
afterAll(() => inventory.stop());

test('behaves as its model, command by command', async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands(COMMANDS, { maxCommands: 30, size: 'max' }), async (commands) => {
      const world = await startModel(inventory);
      await fc.asyncModelRun(() => world, commands);
      await checkInvariants(inventory.pool);
    }),
    { numRuns: 40 },
  );
}, 90_000);
