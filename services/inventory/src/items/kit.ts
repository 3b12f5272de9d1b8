/**
 * What kits consist of. A kit's parts are items that are sold, each once, and may be kits themselves whose parts are none: two steps
 * lead from any kit to what lies in the warehouse, 20 parts at each, so that one unit is at most 400 lines and 1,000,000 of each.
 *
 * Edges between items are added one transaction at a time (`lockKits`): two that are harmless alone could make a circle together.
 * Who adds them holds the parts with the share lock of bookings, which keeps DeleteItem waiting.
 */

import type { KitComponent } from '@weft/gen/weft/inventory/v1/item_pb.js';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { holdItems } from '../stock/references.ts';

/** Names the advisory lock: any number that no other lock of this database has. */
const KITS_LOCK_KEY = 5_648_717;

/**
 * Keeps others from adding parts to kits until the transaction ends. Taken before the locks of items. Taking parts away cannot break
 * a rule, so it needs no turn.
 */
export async function lockKits(tx: Sql): Promise<void> {
  await tx.query({ text: 'SELECT pg_advisory_xact_lock($1)', values: [KITS_LOCK_KEY] });
}

/** @throws KIT_INVALID when a part is the kit itself, or named twice. */
export function checkNames(sku: string, components: readonly KitComponent[]): void {
  const seen = new Set<string>([sku]);
  for (const [index, component] of components.entries()) {
    if (seen.has(component.sku)) {
      const problem = component.sku === sku ? 'a kit cannot be a component of itself' : 'each component is named once';
      throw kitInvalid(sku, component.sku, problem, index);
    }
    seen.add(component.sku);
  }
}

/**
 * Holds the parts of a kit, and checks that they are sold and that no kit nests too deep with them, below it or above. A circle
 * is a nesting without end, so it needs no look of its own. The caller holds `lockKits`.
 *
 * @throws KIT_INVALID
 */
export async function checkNesting(tx: Sql, sku: string, components: readonly KitComponent[]): Promise<void> {
  const held = await holdItems(
    tx,
    components.map((component) => component.sku),
  );
  for (const [index, component] of components.entries()) {
    if (!held.has(component.sku)) {
      throw kitInvalid(sku, component.sku, 'no item that is sold has this SKU', index);
    }
  }
  const nested = components.map((component) => component.sku).filter((part) => held.get(part)?.isKit);
  const { rows } = await tx.query<{ part: string | null; kit: string | null }>({
    text: `
      SELECT
        -- A part of a part that is a kit itself, or becomes one.
        (SELECT k.kit_sku FROM kit_components k JOIN items i ON i.sku = k.component_sku
          WHERE k.kit_sku = ANY($2::text[]) AND (i.is_kit OR i.sku = $1)
          ORDER BY k.kit_sku LIMIT 1) AS part,
        -- A kit that has this one as a part, where that is one step too many.
        (SELECT k.kit_sku FROM kit_components k JOIN items i ON i.sku = k.kit_sku
          WHERE k.component_sku = $1 AND i.delete_time IS NULL AND (cardinality($2::text[]) > 0 OR EXISTS (
            SELECT FROM kit_components above JOIN items ai ON ai.sku = above.kit_sku
            WHERE above.component_sku = k.kit_sku AND ai.delete_time IS NULL))
          ORDER BY k.kit_sku LIMIT 1) AS kit`,
    values: [sku, nested],
  });
  const { part, kit } = rows[0] ?? { part: null, kit: null };
  if (part !== null) {
    const index = components.findIndex((component) => component.sku === part);
    throw kitInvalid(sku, part, 'it is a kit that has a kit among its own components', index);
  }
  if (kit !== null) {
    throw fail('KIT_INVALID', `${sku} is a component of the kit ${kit}, which would nest too deep`, { sku, kit });
  }
}

/** Writes what a kit consists of, in its order, in place of what it consisted of before. */
export async function writeComponents(tx: Sql, sku: string, components: readonly KitComponent[]): Promise<void> {
  await tx.query({ text: 'DELETE FROM kit_components WHERE kit_sku = $1', values: [sku] });
  if (components.length > 0) {
    await tx.query({
      text: `
        INSERT INTO kit_components (kit_sku, component_sku, quantity, position)
        SELECT $1, c.sku, c.quantity, c.number - 1
        FROM unnest($2::text[], $3::bigint[]) WITH ORDINALITY AS c(sku, quantity, number)`,
      values: [sku, components.map((component) => component.sku), components.map(({ quantity }) => quantity)],
    });
  }
}

/** The kits that are not deleted and have this item as a part, up to `limit`, by SKU. */
export async function kitsWith(tx: Sql, sku: string, limit: number): Promise<string[]> {
  const { rows } = await tx.query<{ sku: string }>({
    text: `
      SELECT i.sku FROM kit_components k JOIN items i ON i.sku = k.kit_sku
      WHERE k.component_sku = $1 AND i.delete_time IS NULL ORDER BY i.sku LIMIT $2`,
    values: [sku, limit],
  });
  return rows.map((row) => row.sku);
}

function kitInvalid(sku: string, component: string, description: string, index: number) {
  const field = `item.components[${index}].sku`;
  const text = `the component ${component} of ${sku}: ${description}`;
  return fail('KIT_INVALID', text, { sku, component }, { fieldViolations: [{ field, description }] });
}
