/**
 * Inventory against a model of it: whatever a caller does, one thing after the other and each on the other of two replicas, both have the same outcome and are in the same state
 * after each. Many callers at once are drift.test.ts's.
 */

import fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';
import { startTwo } from './harness.ts';
import { checkInvariants } from './invariants.ts';
import { COMMANDS, startModel } from './model/commands.ts';

let two: Awaited<ReturnType<typeof startTwo>>;
beforeAll(async () => {
  two = await startTwo();
});
afterAll(() => two.stop());

test('behaves as its model, command by command', async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands(COMMANDS, { maxCommands: 30, size: 'max' }), async (commands) => {
      const world = await startModel(two);
      await fc.asyncModelRun(() => world, commands);
      await checkInvariants(two.pool);
    }),
    { numRuns: 25 },
  );
}, 90_000);
