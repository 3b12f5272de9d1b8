// Packing: nothing is lost or invented, no carton is overfilled, and a huge order costs no more than a small one.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fitsInto, type Sides, sidesOf, volumeOf } from './box.ts';
import { type Carton, FILL_PERCENT, type PackItem, pack } from './pack.ts';

const carton = (cartonId: string, sides: Sides, tareGrams: number, maxContentGrams: number): Carton => ({
  cartonId,
  sides,
  tareGrams,
  maxContentGrams,
});
const item = (sku: string, quantity: number, sides: Sides, weightGrams: number): PackItem => ({
  sku,
  quantity,
  sides,
  weightGrams,
});

const cartons = [
  carton('xs', [200, 150, 100], 75, 2_000),
  carton('s', [300, 200, 150], 160, 5_000),
  carton('m', [400, 300, 200], 330, 12_000),
  carton('l', [600, 400, 300], 760, 20_000),
];

describe('pack', () => {
  test('takes the smallest carton that holds everything', () => {
    expect(pack([item('MUG', 2, [120, 100, 100], 350)], cartons, 200)).toEqual([
      { cartonId: 's', sides: [300, 200, 150], weightGrams: 860, contents: [{ sku: 'MUG', quantity: 2 }] },
    ]);
    expect(pack([item('MUG', 1, [120, 100, 100], 350)], cartons, 200)?.[0]?.cartonId).toBe('xs');
  });

  test('puts different items together', () => {
    const packages = pack([item('B', 3, [100, 80, 20], 200), item('A', 1, [280, 180, 60], 900)], cartons, 200);
    expect(packages).toHaveLength(1);
    expect(packages?.[0]?.contents).toEqual([
      { sku: 'A', quantity: 1 },
      { sku: 'B', quantity: 3 },
    ]);
  });

  test('opens another carton when the weight is reached, not only the volume', () => {
    const packages = pack([item('DUMBBELL', 5, [200, 100, 100], 9_000)], cartons, 200);
    expect(packages?.map(({ contents }) => contents[0]?.quantity)).toEqual([2, 2, 1]);
    expect(packages?.every(({ weightGrams }) => weightGrams <= 20_760)).toBe(true);
  });

  test('lets one unit fill a carton wholly', () => {
    expect(pack([item('BLOCK', 1, [200, 150, 100], 500)], cartons, 200)?.[0]?.cartonId).toBe('xs');
  });

  test('sends a unit that is too long or too heavy in its own packaging', () => {
    expect(pack([item('POLE', 2, [1_800, 40, 40], 900)], cartons, 200)).toEqual([
      { cartonId: undefined, sides: [1_800, 40, 40], weightGrams: 900, contents: [{ sku: 'POLE', quantity: 1 }] },
      { cartonId: undefined, sides: [1_800, 40, 40], weightGrams: 900, contents: [{ sku: 'POLE', quantity: 1 }] },
    ]);
    expect(pack([item('ANVIL', 1, [300, 200, 150], 21_000)], cartons, 200)?.[0]?.cartonId).toBeUndefined();
    expect(pack([item('MUG', 1, [120, 100, 100], 350)], [], 200)?.[0]?.cartonId).toBeUndefined();
  });

  test('refuses more packages than allowed, at once', () => {
    expect(pack([item('POLE', 200, [1_800, 40, 40], 900)], cartons, 200)).toHaveLength(200);
    expect(pack([item('POLE', 201, [1_800, 40, 40], 900)], cartons, 200)).toBeUndefined();
  });

  test('a million tiny units cost no more than one', () => {
    const tiny = item('BEAD', 1_000_000, [2, 2, 2], 1);
    const started = performance.now();
    const packages = pack([tiny], cartons, 200);
    expect(packages?.reduce((sum, { contents }) => sum + (contents[0]?.quantity ?? 0), 0)).toBe(1_000_000);
    const many = Array.from({ length: 100 }, (_, at) => item(`BEAD-${at}`, 10_000, [3, 2, 2], 1));
    pack(many, cartons, 200);
    // A million steps take far longer; this leaves room for a busy machine.
    expect(performance.now() - started).toBeLessThan(500);
  });

  const side = fc.integer({ min: 1, max: 700 });
  const box = fc.record({ lengthMm: side, widthMm: side, heightMm: side }).map((dimensions) => sidesOf(dimensions));
  const demand = fc.uniqueArray(
    fc.record({
      sku: fc.stringMatching(/^[A-Z][A-Z0-9]{0,3}$/),
      quantity: fc.integer({ min: 1, max: 40 }),
      sides: box,
      weightGrams: fc.integer({ min: 1, max: 25_000 }),
    }),
    { selector: ({ sku }) => sku, minLength: 1, maxLength: 12 },
  );
  const supply = fc.uniqueArray(
    fc.record({
      cartonId: fc.stringMatching(/^[a-z]{1,2}$/),
      sides: box,
      tareGrams: fc.integer({ min: 0, max: 1_000 }),
      maxContentGrams: fc.integer({ min: 1, max: 30_000 }),
    }),
    { selector: ({ cartonId }) => cartonId, maxLength: 6 },
  );

  test('always: contents are the demand, and no carton is overfilled', () => {
    fc.assert(
      fc.property(demand, supply, (items, kinds) => {
        const packages = pack(items, kinds, 1_000) ?? [];
        const bySku = new Map(items.map((entry) => [entry.sku, entry]));
        const packed = new Map<string, number>();
        for (const { cartonId, contents, sides, weightGrams } of packages) {
          let volume = 0;
          let grams = 0;
          for (const { sku, quantity } of contents) {
            const { sides: itemSides, weightGrams: itemGrams } = bySku.get(sku) ?? item('?', 0, [1, 1, 1], 1);
            expect(fitsInto(itemSides, sides)).toBe(true);
            volume += quantity * volumeOf(itemSides);
            grams += quantity * itemGrams;
            packed.set(sku, (packed.get(sku) ?? 0) + quantity);
          }
          const units = contents.reduce((sum, { quantity }) => sum + quantity, 0);
          const kind = kinds.find((entry) => entry.cartonId === cartonId);
          if (kind === undefined) {
            expect(units).toBe(1);
            expect(weightGrams).toBe(grams);
          } else {
            expect(weightGrams).toBe(grams + kind.tareGrams);
            expect(grams).toBeLessThanOrEqual(kind.maxContentGrams);
            expect(volume * 100 <= volumeOf(kind.sides) * FILL_PERCENT || units === 1).toBe(true);
          }
        }
        expect(packed).toEqual(new Map(items.map(({ sku, quantity }) => [sku, quantity])));
      }),
    );
  });

  test('always: the order of items and cartons does not matter', () => {
    fc.assert(
      fc.property(demand, supply, (items, kinds) => {
        expect(pack([...items].reverse(), [...kinds].reverse(), 200)).toEqual(pack(items, kinds, 200));
      }),
    );
  });
});
