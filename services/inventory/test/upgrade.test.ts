/**
 * A database that was in use before kits, lots, states and backorders is migrated: nothing is lost, the books are right, and what was
 * reserved can leave.
 */

import { readFile } from 'node:fs/promises';
import { openPool } from '@weft/runtime/data/pool';
import { expect, onTestFinished, test } from 'vitest';
import { requestId } from '../../../dev/src/testing/calls.ts';
import { startTestPostgres } from '../../../runtime/test/postgres.ts';
import { levelAt, startReplica } from './harness.ts';
import { checkInvariants } from './invariants.ts';

const migration = async (name: string) =>
  await readFile(new URL(`../prisma/migrations/${name}/migration.sql`, import.meta.url), 'utf8');

/** Three reservations of each of a hundred items, one in each of the states HELD, CONFIRMED and COMMITTED; some items keep units back. */
const IN_USE = `
  INSERT INTO items (sku, name, description, category, gtin, weight_grams, length_mm, width_mm, height_mm, tax_category, customs_code,
    origin_country_code)
  SELECT 'S-' || n, 'Item ' || n, '', 'kitchen', '', 100, 10, 10, 10, 'standard', '', '' FROM generate_series(1, 100) n;
  INSERT INTO locations (location_id, name, recipient, address_lines, city, region_code, postal_code, country_code, time_zone,
    pick_priority, served_country_codes)
  VALUES ('north', 'North', '', '{}', 'Hamburg', '', '20457', 'DE', 'Europe/Berlin', 1, '{}');
  INSERT INTO stock (sku, location_id, on_hand, reserved, safety)
  SELECT 'S-' || n, 'north', 50, 3, n % 3 FROM generate_series(1, 100) n;
  INSERT INTO reservations (reservation_id, state, expire_time, reference)
  SELECT uuidv7(), state, now() + interval '1 hour', 'order ' || state FROM generate_series(1, 3) state;
  INSERT INTO allocations (reservation_id, sku, location_id, quantity)
  SELECT reservation_id, 'S-' || n, 'north', CASE state WHEN 1 THEN 1 ELSE 2 END FROM reservations, generate_series(1, 100) n;
  INSERT INTO ledger_entries (sku, location_id, on_hand_delta, on_hand_after, reason, source, actor)
  SELECT 'S-' || n, 'north', 52, 52, 1, '', 'somebody' FROM generate_series(1, 100) n;
  INSERT INTO ledger_entries (sku, location_id, on_hand_delta, on_hand_after, reason, source, actor)
  SELECT 'S-' || n, 'north', -2, 50, 7, reservation_id::text, 'shipping' FROM reservations, generate_series(1, 100) n WHERE state = 3`;

test('a database in use is migrated with its books', async () => {
  const postgres = await startTestPostgres();
  onTestFinished(() => postgres.stop());
  const url = await postgres.createDatabase('inventory');
  const pool = openPool({ databaseUrl: url, workload: 'test' });
  onTestFinished(() => pool.end());
  await pool.query(await migration('20260101000000_inventory'));
  await pool.query(IN_USE);
  await pool.query(await migration('20260201000000_whole_inventory'));
  await checkInvariants(pool);

  const inventory = await startReplica(url);
  onTestFinished(() => inventory.stop());
  expect(await levelAt(inventory, 'S-2', 'north')).toMatchObject({
    onHand: 50n,
    reserved: 3n,
    safety: 2n,
    available: 45n,
  });
  const { reservations } = await inventory.reservations.listReservations({});
  for (const { reference, reservationId } of reservations) {
    if (reference === 'order 2') {
      await inventory.reservations.commitReservation({ requestId: requestId(), reservationId });
    } else if (reference === 'order 1') {
      await inventory.reservations.releaseReservation({ requestId: requestId(), reservationId });
    }
  }
  expect(await levelAt(inventory, 'S-2', 'north')).toMatchObject({ onHand: 48n, reserved: 0n, available: 46n });
  await checkInvariants(pool);
});
