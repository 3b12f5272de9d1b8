/**
 * Bugs that inventories are known for are planted behind the service's back, and the tests of drift.test.ts and model.test.ts must find
 * each: what they cannot find they do not guard against.
 */

import fc from 'fast-check';
import type { Pool } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { failure } from '../../../dev/src/testing/calls.ts';
import { addLocation, startTwo } from './harness.ts';
import { checkInvariants } from './invariants.ts';
import { COMMANDS, startModel } from './model/commands.ts';
import { sellOnStalePlans } from './model/stale-plans.ts';

/** Each planted by SQL that a careless migration might hold. */
const BUGS: Record<string, (pool: Pool) => Promise<void>> = {
  'the guard is skipped': async (pool) => {
    // Both of them: the statement's, and the table's CHECK behind it.
    await rewrite(pool, 'reserve_planned', 'a.running > coalesce(free[a.level], -1)', 'false');
    await pool.query('ALTER TABLE stock DROP CONSTRAINT stock_not_oversold');
  },
  'a reservation is released twice': (pool) =>
    plant(
      pool,
      'AFTER UPDATE ON reservations',
      `IF NEW.state = 4 AND OLD.state <> 4 THEN
         UPDATE stock s SET reserved = greatest(0, s.reserved - a.quantity)
         FROM allocations a WHERE a.reservation_id = NEW.reservation_id AND a.sku = s.sku AND a.location_id = s.location_id;
       END IF;
       RETURN NEW;`,
    ),
  'a row of the ledger is dropped': (pool) =>
    plant(pool, 'BEFORE INSERT ON ledger_entries', 'RETURN CASE WHEN NEW.reason = 7 THEN NULL ELSE NEW END;'),
  'a hold expires and is confirmed both': (pool) =>
    plant(pool, 'BEFORE UPDATE ON reservations', 'IF NEW.state = 5 THEN NEW.state := 2; END IF;\n RETURN NEW;'),
  'a backorder is forgotten when it is served': (pool) =>
    plant(
      pool,
      'BEFORE UPDATE ON allocations',
      'NEW.backordered_quantity := greatest(NEW.backordered_quantity, OLD.backordered_quantity);\n RETURN NEW;',
    ),
};

/** Changes the text of a function of the database. */
async function rewrite(pool: Pool, name: string, from: string, to: string): Promise<void> {
  const { rows } = await pool.query<{ text: string }>('SELECT pg_get_functiondef($1::regproc) AS text', [name]);
  const text = rows[0]?.text ?? '';
  expect(text.split(from)).toHaveLength(2);
  await pool.query(text.replace(from, to));
}

/** Adds a trigger with this body. */
async function plant(pool: Pool, on: string, body: string): Promise<void> {
  await pool.query(`CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} END $$`);
  await pool.query(`CREATE TRIGGER planted ${on} FOR EACH ROW EXECUTE FUNCTION planted()`);
}

type Two = Awaited<ReturnType<typeof startTwo>>;

/** Runs the model's commands until something is wrong, for somewhat longer than model.test.ts does. */
async function runCommands(two: Two): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.commands(COMMANDS, { maxCommands: 30, size: 'max' }), async (commands) => {
      const world = await startModel(two);
      await fc.asyncModelRun(() => world, commands);
      await checkInvariants(two.pool);
    }),
    { numRuns: 60, endOnFailure: true },
  );
}

/** Only who plans on what is not there any more needs the guard. */
async function runOnStalePlans({ replicas: [one, two] }: Two): Promise<void> {
  await addLocation(one, { locationId: 'north', pickPriority: 1 });
  await addLocation(one, { locationId: 'south', pickPriority: 2 });
  await sellOnStalePlans([one, two], 'STALE');
}

test.each(Object.keys(BUGS))(
  '%s: found',
  async (name) => {
    const two = await startTwo();
    onTestFinished(() => two.stop());
    await BUGS[name]?.(two.pool);
    const search = name === 'the guard is skipped' ? runOnStalePlans : runCommands;
    const found = await failure(search(two));
    expect(found).toBeInstanceOf(Error);
    expect(found).not.toHaveProperty('message', 'it succeeded');
  },
  90_000,
);

test('without a bug nothing is found', async () => {
  const two = await startTwo();
  onTestFinished(() => two.stop());
  await runOnStalePlans(two);
});
