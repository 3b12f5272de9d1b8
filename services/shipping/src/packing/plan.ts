/**
 * Plans a shipment's packages: what goes into which box at each origin, numbered over all of them.
 */

import { create } from '@bufbuild/protobuf';
import { type Package, PackageSchema } from '@weft/gen/weft/shipping/v1/package_pb.js';
import { query } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import type { Pool } from 'pg';
import { sidesOf } from './box.ts';
import { type Carton, type Packed, type PackItem, pack } from './pack.ts';

/** Most packages of a shipment, as the contract says. */
export const PACKAGES_MAX = 200;

/** What one place packs; `originLocationId` is empty when only packing was asked for. */
export type Batch = { readonly originLocationId: string; readonly items: readonly PackItem[] };

/**
 * Packs each batch by itself.
 *
 * @throws TOO_MANY_PACKAGES when more than 200 would be needed in all.
 */
export function planPackages(batches: readonly Batch[], cartons: readonly Carton[]): Package[] {
  const packages: Package[] = [];
  for (const { originLocationId, items } of batches) {
    const packed = pack(items, cartons, PACKAGES_MAX - packages.length);
    if (packed === undefined) {
      throw fail('TOO_MANY_PACKAGES', `More than ${PACKAGES_MAX} packages would be needed.`, {
        max_packages: `${PACKAGES_MAX}`,
      });
    }
    packages.push(...packed.map((box, at) => packageOf(box, packages.length + at + 1, originLocationId)));
  }
  return packages;
}

/** The cartons that there are. */
export async function readCartons(pool: Pool): Promise<Carton[]> {
  const rows = await query<{
    carton_id: string;
    length_mm: number;
    width_mm: number;
    height_mm: number;
    tare_grams: number;
    max_content_grams: number;
  }>(pool, { name: 'cartons', text: 'SELECT * FROM cartons' });
  return rows.map((row) => ({
    cartonId: row.carton_id,
    sides: sidesOf({ lengthMm: row.length_mm, widthMm: row.width_mm, heightMm: row.height_mm }),
    tareGrams: row.tare_grams,
    maxContentGrams: row.max_content_grams,
  }));
}

function packageOf(box: Packed, number: number, originLocationId: string): Package {
  const [lengthMm, widthMm, heightMm] = box.sides;
  return create(PackageSchema, {
    number,
    originLocationId,
    cartonId: box.cartonId ?? '',
    dimensions: { lengthMm, widthMm, heightMm },
    weightGrams: BigInt(box.weightGrams),
    contents: box.contents.map(({ sku, quantity }) => ({ sku, quantity: BigInt(quantity) })),
  });
}
