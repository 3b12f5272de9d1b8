/**
 * The goods that the benchmarks sell: items at one location, with stock and, where asked for, a heap of holds.
 */

import type { PoolClient } from 'pg';

/** What is in a database. */
export type Catalogue = {
  /** Items `S-1` to `S-<skus>`. */
  readonly skus: number;
  /** Units of each at the one location `a`; with 0 there are no stock rows. Default 1,000,000,000. */
  readonly onHand?: number;
  /** Reservations of one unit that hold, and as many that ran out and nobody has tidied. Default 0. */
  readonly holds?: number;
};

/** Writes a catalogue whose names, categories and instants differ as they do in a shop. */
export async function fill(client: PoolClient, { skus, onHand = 1_000_000_000, holds = 0 }: Catalogue): Promise<void> {
  // An index over the words of a million items is faster made at once than grown.
  const { rows: indexes } = await client.query<{ name: string; definition: string }>(
    `SELECT indexname AS name, indexdef AS definition FROM pg_indexes WHERE tablename = 'items' AND indexdef LIKE '% USING gin %'`,
  );
  for (const { name } of indexes) {
    await client.query(`DROP INDEX "${name}"`);
  }
  await client.query(
    `INSERT INTO items (sku, name, description, category, gtin, weight_grams, length_mm, width_mm, height_mm, tax_category, customs_code,
       origin_country_code, create_time, update_time)
     SELECT 'S-' || n, 'Item ' || left(md5(n::text), 8), '', 'shop/c' || n % 100, '', 100, 10, 10, 10, 'standard', '', '',
       now() - n * interval '1 second', now() - n * interval '1 second'
     FROM generate_series(1, $1::integer) n`,
    [skus],
  );
  for (const { definition } of indexes) {
    await client.query(definition);
  }
  await client.query(
    `INSERT INTO locations (location_id, name, recipient, address_lines, city, region_code, postal_code, country_code, time_zone,
       pick_priority, served_country_codes)
     VALUES ('a', 'a', '', '{}', '', '', '', 'DE', 'Europe/Berlin', 1, '{}')`,
  );
  if (onHand > 0) {
    await client.query(
      `INSERT INTO stock (sku, location_id, on_hand) SELECT 'S-' || n, 'a', $2 FROM generate_series(1, $1::integer) n`,
      [skus, onHand],
    );
  }
  if (holds > 0) {
    // Every second one holds; the others ran out.
    await client.query(
      `WITH made AS MATERIALIZED (
         SELECT n, uuidv7() AS id, 'S-' || 1 + n % $1::integer AS sku FROM generate_series(1, 2 * $2::integer) n
       ), reservation AS (
         INSERT INTO reservations (reservation_id, state, expire_time, reference)
         SELECT id, 1, now() + (CASE n % 2 WHEN 0 THEN 1 ELSE -1 END) * interval '1 hour', '' FROM made
       ), allocated AS (
         INSERT INTO allocations (reservation_id, sku, location_id, quantity) SELECT id, sku, 'a', 1 FROM made
       )
       UPDATE stock s SET reserved = m.units FROM (SELECT sku, count(*) AS units FROM made GROUP BY sku) m
       WHERE s.sku = m.sku AND s.location_id = 'a'`,
      [skus, holds],
    );
  }
}
