import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FilterError, MAX_TERMS, parseFilter } from './filter.ts';

describe('a filter that can be read', () => {
  test('the example of the contract', () => {
    expect(parseFilter('mug category:kitchen weight_grams < 500')).toEqual([
      { kind: 'search', text: 'mug' },
      { kind: 'text', field: 'category', operator: ':', value: 'kitchen' },
      { kind: 'number', field: 'weight_grams', operator: '<', value: 500 },
    ]);
  });

  test('is empty', () => {
    expect(parseFilter('')).toEqual([]);
    expect(parseFilter(' \t\n ')).toEqual([]);
  });

  test('joins terms by AND or by nothing, to the same effect', () => {
    expect(parseFilter('blue AND mug')).toEqual(parseFilter('blue mug'));
    expect(parseFilter('"AND" and')).toEqual([
      { kind: 'search', text: 'AND' },
      { kind: 'search', text: 'and' },
    ]);
  });

  test.each([
    ['sku=MUG-1', 'sku', '=', 'MUG-1'],
    ['name != "Big ""', '', '', ''],
    ["name: 'chef''", '', '', ''],
    ['gtin=""', 'gtin', '=', ''],
    ['category : kitchen/knives', 'category', ':', 'kitchen/knives'],
    [String.raw`name="say \"hi\" \\ bye"`, 'name', '=', String.raw`say "hi" \ bye`],
    ['origin_country_code!=DE', 'origin_country_code', '!=', 'DE'],
  ])('%s', (filter, field, operator, value) => {
    if (field === '') {
      expect(() => parseFilter(filter)).toThrow(FilterError);
    } else {
      expect(parseFilter(filter)).toEqual([{ kind: 'text', field, operator, value }]);
    }
  });

  test.each(['=', '!=', '<', '<=', '>', '>='])('compares weights by %s', (operator) => {
    expect(parseFilter(`weight_grams${operator}12`)).toEqual([
      { kind: 'number', field: 'weight_grams', operator, value: 12 },
    ]);
  });
});

describe('a filter that cannot be read says where', () => {
  test.each([
    ['colour=red', 1, 'no field'],
    ['mug AND', 8, 'missing after AND'],
    ['AND mug', 1, 'each side'],
    ['mug AND AND cup', 9, 'each side'],
    ['mug OR cup', 5, 'not supported'],
    ['NOT mug', 1, 'not supported'],
    ['-mug', 1, 'not supported'],
    ['(mug)', 1, 'not understood'],
    ['mug "cup', 5, 'no end'],
    ['sku:MUG', 4, 'cannot be compared'],
    ['weight_grams:5', 13, 'cannot be compared'],
    ['weight_grams < heavy', 16, 'whole number'],
    ['weight_grams < 1.5', 16, 'whole number'],
    ['weight_grams < -1', 16, 'whole number'],
    ['weight_grams < 99999999999', 16, 'whole number'],
    ['weight_grams <', 15, 'needs a value'],
    ['name = = x', 8, 'needs a value'],
    ['= x', 1, 'needs a field'],
    ['"name" = x', 1, 'no field'],
    ['a\0b', 1, 'not understood'],
    ['"a\0b"', 3, 'U+0000'],
    ['__proto__=1', 1, 'no field'],
  ])('%j', (filter, position, problem) => {
    const error = caught(() => parseFilter(filter));
    expect(error).toBeInstanceOf(FilterError);
    expect((error as FilterError).message).toContain(problem);
    expect((error as FilterError).position).toBe(position);
  });

  test('has too many terms', () => {
    expect(parseFilter('a '.repeat(MAX_TERMS))).toHaveLength(MAX_TERMS);
    expect(() => parseFilter('a '.repeat(MAX_TERMS + 1))).toThrow(`at most ${MAX_TERMS} terms`);
  });
});

test('any text at all is read or refused, and what is quoted comes back as it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
      const error = caught(() => parseFilter(text));
      expect(error === undefined || error instanceof FilterError).toBe(true);
      const clean = text.replaceAll('\0', '');
      expect(parseFilter(`"${clean.replace(/["\\]/g, '\\$&')}"`)).toEqual([{ kind: 'search', text: clean }]);
    }),
  );
});

function caught(work: () => unknown): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}
