import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Line, planSourcing, type Sources, type Strategy, type Supply } from './sourcing.ts';

/** Stock as `{SKU: {location: units}}`. */
function supply(stock: Record<string, Record<string, number>>): Supply {
  return new Map(
    Object.entries(stock).map(([sku, levels]) => [
      sku,
      new Map(Object.entries(levels).map(([id, units]) => [id, BigInt(units)])),
    ]),
  );
}

/** A plan in few letters: `MUG@a:2`. */
function plan(
  lines: Line[],
  stock: Supply,
  ranking: string[],
  strategy: Strategy = 'RANKED',
  more: Partial<Sources> = {},
) {
  const { allocations, shortages } = planSourcing(lines, { supply: stock, ranking, ...more }, strategy);
  return {
    allocations: allocations.map(
      ({ sku, locationId, quantity, backordered }) =>
        `${sku}@${locationId}:${quantity}${backordered > 0n ? `(${backordered} later)` : ''}`,
    ),
    shortages: shortages.map(({ sku, requested, available }) => `${sku}:${available}/${requested}`),
  };
}

describe('priority', () => {
  test('asks the first location first and goes on where it ends', () => {
    const stock = supply({ MUG: { a: 2, b: 5 } });
    expect(plan([{ sku: 'MUG', quantity: 4n }], stock, ['a', 'b'])).toEqual({
      allocations: ['MUG@a:2', 'MUG@b:2'],
      shortages: [],
    });
    expect(plan([{ sku: 'MUG', quantity: 4n }], stock, ['b', 'a']).allocations).toEqual(['MUG@b:4']);
  });

  test('adds up lines of one SKU before it looks (trap 2)', () => {
    const lines = [
      { sku: 'MUG', quantity: 1n },
      { sku: 'MUG', quantity: 1n },
    ];
    expect(plan(lines, supply({ MUG: { a: 1 } }), ['a'])).toEqual({ allocations: ['MUG@a:1'], shortages: ['MUG:1/2'] });
  });

  test('serves a line that names its location before lines that may go anywhere', () => {
    const lines = [
      { sku: 'MUG', quantity: 2n },
      { sku: 'MUG', quantity: 2n, locationId: 'a' },
    ];
    expect(plan(lines, supply({ MUG: { a: 2, b: 2 } }), ['a', 'b'])).toEqual({
      allocations: ['MUG@a:2', 'MUG@b:2'],
      shortages: [],
    });
  });

  test('takes nothing from a location that owes units to its safety stock', () => {
    expect(plan([{ sku: 'MUG', quantity: 1n }], supply({ MUG: { a: -3, b: 1 } }), ['a', 'b'])).toEqual({
      allocations: ['MUG@b:1'],
      shortages: [],
    });
  });

  test('an unknown SKU is wholly short', () => {
    expect(plan([{ sku: 'CUP', quantity: 1n }], supply({}), ['a'])).toEqual({
      allocations: [],
      shortages: ['CUP:0/1'],
    });
  });
});

describe('fewest splits', () => {
  test('prefers one location that has all over the first that has some', () => {
    const stock = supply({ MUG: { a: 1, b: 1 }, CUP: { a: 0, b: 3 } });
    const lines = [
      { sku: 'MUG', quantity: 1n },
      { sku: 'CUP', quantity: 3n },
    ];
    expect(plan(lines, stock, ['a', 'b'], 'FEWEST_SPLITS').allocations).toEqual(['CUP@b:3', 'MUG@b:1']);
    expect(plan(lines, stock, ['a', 'b'], 'RANKED').allocations).toEqual(['CUP@b:3', 'MUG@a:1']);
  });

  test('takes the set that is asked first among those of one size', () => {
    const stock = supply({ MUG: { a: 5, b: 5, c: 5 } });
    expect(plan([{ sku: 'MUG', quantity: 5n }], stock, ['c', 'a', 'b'], 'FEWEST_SPLITS').allocations).toEqual([
      'MUG@c:5',
    ]);
  });

  test('goes to a location that a named line uses anyway', () => {
    const stock = supply({ MUG: { a: 1 }, CUP: { b: 1, a: 1 } });
    const lines = [
      { sku: 'MUG', quantity: 1n, locationId: 'a' },
      { sku: 'CUP', quantity: 1n },
    ];
    expect(plan(lines, stock, ['b', 'a'], 'FEWEST_SPLITS').allocations).toEqual(['CUP@a:1', 'MUG@a:1']);
  });

  test('ends soon with as many lines and locations as there may be', () => {
    const ids = Array.from({ length: 200 }, (_, index) => `l${index}`);
    const skus = Array.from({ length: 500 }, (_, index) => `S${index}`);
    // Each location has a fifth of the items, one unit of each: many are needed, and which is hard to say.
    const stock = supply(
      Object.fromEntries(
        skus.map((sku, item) => [
          sku,
          Object.fromEntries(ids.flatMap((id, place) => ((item * 7 + place) % 5 === 0 ? [[id, 1]] : []))),
        ]),
      ),
    );
    const lines = skus.map((sku) => ({ sku, quantity: 10n }));
    const { allocations, shortages } = plan(lines, stock, ids, 'FEWEST_SPLITS');
    expect(shortages).toEqual([]);
    expect(allocations.length).toBe(5_000);
  });

  test('ends soon with more locations than can be tried in every combination', () => {
    const ids = Array.from({ length: 60 }, (_, index) => `l${index}`);
    const stock = supply({ MUG: Object.fromEntries(ids.map((id, index) => [id, index + 1])) });
    const all = BigInt((60 * 61) / 2);
    expect(plan([{ sku: 'MUG', quantity: all }], stock, ids, 'FEWEST_SPLITS').shortages).toEqual([]);
    // The greedy choice takes the fullest first: 60 + 59 + 58 of 170 wanted.
    expect(plan([{ sku: 'MUG', quantity: 470n }], stock, ids, 'FEWEST_SPLITS').allocations).toHaveLength(9);
  });
});

describe('lowest stock', () => {
  test('uses remnants up first, and asks by rank where equal units are left', () => {
    const stock = supply({ MUG: { a: 9, b: 2, c: 2, d: 0 } });
    expect(plan([{ sku: 'MUG', quantity: 3n }], stock, ['a', 'c', 'b', 'd'], 'LOWEST_STOCK').allocations).toEqual([
      'MUG@b:1',
      'MUG@c:2',
    ]);
  });
});

describe('kits', () => {
  const recipes = new Map([
    [
      'SET',
      [
        { sku: 'CUP', quantity: 1n },
        { sku: 'MUG', quantity: 2n },
      ],
    ],
  ]);

  test('are as many as the scarcest component allows, from any locations', () => {
    const stock = supply({ MUG: { a: 3, b: 2 }, CUP: { b: 9 } });
    expect(plan([{ sku: 'SET', quantity: 3n }], stock, ['a', 'b'], 'RANKED', { recipes })).toEqual({
      allocations: ['CUP@b:2', 'MUG@a:3', 'MUG@b:1'],
      shortages: ['SET:2/3'],
    });
  });

  test('of one location come from there alone', () => {
    const stock = supply({ MUG: { a: 3, b: 2 }, CUP: { a: 1, b: 9 } });
    expect(plan([{ sku: 'SET', quantity: 2n, locationId: 'a' }], stock, ['a', 'b'], 'RANKED', { recipes })).toEqual({
      allocations: ['CUP@a:1', 'MUG@a:2'],
      shortages: ['SET:1/2'],
    });
  });

  test('and their components for themselves share the same units', () => {
    const stock = supply({ MUG: { a: 4 }, CUP: { a: 4 } });
    const lines = [
      { sku: 'MUG', quantity: 1n },
      { sku: 'SET', quantity: 2n },
    ];
    expect(plan(lines, stock, ['a'], 'RANKED', { recipes })).toEqual({
      allocations: ['CUP@a:1', 'MUG@a:3'],
      shortages: ['SET:1/2'],
    });
  });

  test('come from as few locations as their components allow', () => {
    const stock = supply({ MUG: { a: 2, b: 2, c: 2 }, CUP: { c: 1, b: 0 } });
    expect(
      plan([{ sku: 'SET', quantity: 1n }], stock, ['a', 'b', 'c'], 'FEWEST_SPLITS', { recipes }).allocations,
    ).toEqual(['CUP@c:1', 'MUG@c:2']);
  });
});

describe('promises', () => {
  const promisable = new Map([['MUG', 3n]]);

  test('begin where the stock ends, at the location that is asked first', () => {
    const stock = supply({ MUG: { a: 1, b: 1 } });
    expect(plan([{ sku: 'MUG', quantity: 4n }], stock, ['b', 'a'], 'RANKED', { promisable })).toEqual({
      allocations: ['MUG@a:1', 'MUG@b:3(2 later)'],
      shortages: [],
    });
  });

  test('end at their limit, over all lines', () => {
    const lines = [
      { sku: 'MUG', quantity: 3n, locationId: 'a' },
      { sku: 'MUG', quantity: 2n },
    ];
    expect(plan(lines, supply({ MUG: { a: 1 } }), ['a'], 'RANKED', { promisable })).toEqual({
      allocations: ['MUG@a:4(3 later)'],
      shortages: ['MUG:4/5'],
    });
  });

  test('are not made for a location that does not serve the destination', () => {
    expect(plan([{ sku: 'MUG', quantity: 1n, locationId: 'z' }], supply({}), ['a'], 'RANKED', { promisable })).toEqual({
      allocations: [],
      shortages: ['MUG:0/1'],
    });
  });

  test('complete a kit whose other components are in stock', () => {
    const recipes = new Map([
      [
        'SET',
        [
          { sku: 'CUP', quantity: 1n },
          { sku: 'MUG', quantity: 2n },
        ],
      ],
    ]);
    const more = { recipes, promisable };
    expect(
      plan([{ sku: 'SET', quantity: 9n }], supply({ MUG: { a: 1 }, CUP: { a: 5 } }), ['a'], 'RANKED', more),
    ).toEqual({
      allocations: ['CUP@a:2', 'MUG@a:4(3 later)'],
      shortages: ['SET:2/9'],
    });
  });
});

const arbitraryCase = fc.record({
  stock: fc.dictionary(
    fc.constantFrom('A', 'B', 'C'),
    fc.dictionary(fc.constantFrom('w', 'x', 'y', 'z'), fc.integer({ min: -3, max: 9 })),
  ),
  lines: fc.array(
    fc
      .tuple(
        fc.constantFrom('A', 'B', 'C'),
        fc.integer({ min: 1, max: 9 }),
        fc.option(fc.constantFrom('w', 'x', 'y', 'z'), { nil: undefined }),
      )
      .map(([sku, quantity, id]) => ({
        sku,
        quantity: BigInt(quantity),
        ...(id === undefined ? {} : { locationId: id }),
      })),
    { minLength: 1, maxLength: 6 },
  ),
});

test.each(['RANKED', 'FEWEST_SPLITS', 'LOWEST_STOCK'] as const)(
  '%s: units are conserved, nothing is taken twice, no one is short needlessly',
  (strategy) => {
    fc.assert(
      fc.property(arbitraryCase, ({ stock, lines }) => {
        const supplied = supply(stock);
        const ranking = ['z', 'x', 'w', 'y'];
        const { allocations, shortages } = planSourcing(lines, { supply: supplied, ranking }, strategy);
        for (const sku of new Set(lines.map((line) => line.sku))) {
          const mine = lines.filter((line) => line.sku === sku);
          const requested = mine.reduce((sum, line) => sum + line.quantity, 0n);
          const allocated = allocations.filter((one) => one.sku === sku).reduce((sum, one) => sum + one.quantity, 0n);
          const shortage = shortages.find((one) => one.sku === sku);
          expect(allocated).toBe(shortage?.available ?? requested);
          expect(shortage?.requested ?? requested).toBe(requested);
          expect(allocated).toBe(mostServed(mine, supplied.get(sku) ?? new Map()));
        }
        for (const { sku, locationId, quantity } of allocations) {
          expect(quantity).toBeGreaterThan(0n);
          expect(quantity).toBeLessThanOrEqual(supplied.get(sku)?.get(locationId) ?? 0n);
        }
      }),
    );
  },
);

test('fewest splits never uses more locations than priority does', () => {
  fc.assert(
    fc.property(arbitraryCase, ({ stock, lines }) => {
      const used = (strategy: Strategy) =>
        new Set(
          planSourcing(lines, { supply: supply(stock), ranking: ['z', 'x', 'w', 'y'] }, strategy).allocations.map(
            (one) => one.locationId,
          ),
        ).size;
      expect(used('FEWEST_SPLITS')).toBeLessThanOrEqual(used('RANKED'));
    }),
  );
});

/** What one SKU's lines can get at best: named lines from their location, the rest from what all of them leave. */
function mostServed(lines: readonly Line[], levels: ReadonlyMap<string, bigint>): bigint {
  const wantedAt = new Map<string, bigint>();
  let anywhere = 0n;
  for (const { quantity, locationId } of lines) {
    if (locationId === undefined) {
      anywhere += quantity;
    } else {
      wantedAt.set(locationId, (wantedAt.get(locationId) ?? 0n) + quantity);
    }
  }
  let served = 0n;
  let left = 0n;
  for (const [id, units] of levels) {
    const there = units > 0n ? units : 0n;
    const named = wantedAt.get(id) ?? 0n;
    const taken = named < there ? named : there;
    served += taken;
    left += there - taken;
  }
  return served + (anywhere < left ? anywhere : left);
}
