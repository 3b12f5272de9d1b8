import { OutOfStockPolicy } from '@weft/gen/weft/inventory/v1/item_pb.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Filter, FilterError, MAX_DEPTH, MAX_TERMS, parseFilter } from './filter.ts';

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
    ['mug OR', 7, 'missing after OR'],
    ['OR mug', 1, 'each side'],
    ['mug OR OR cup', 8, 'each side'],
    ['mug AND OR cup', 9, 'each side'],
    ['NOT', 4, 'missing after NOT'],
    ['NOT NOT mug', 5, 'cannot stand here'],
    ['NOT -mug', 5, 'cannot stand here'],
    ['--mug', 2, 'cannot stand here'],
    ['- mug', 1, 'right after'],
    ['mug -', 5, 'right after'],
    ['(mug', 1, 'never closed'],
    ['mug (cup (pan)', 5, 'never closed'],
    ['mug) cup', 4, 'closes nothing'],
    ['()', 2, 'missing after ('],
    ['mug OR ()', 9, 'missing after ('],
    ['name=(mug)', 6, 'needs a value'],
    ['lot_tracked=yes', 13, 'neither true nor false'],
    ['lot_tracked:true', 12, 'cannot be compared'],
    ['out_of_stock_policy=SELL', 21, 'no policy'],
    ['out_of_stock_policy=OUT_OF_STOCK_POLICY_UNSPECIFIED', 21, 'no policy'],
    ['components=MUG', 11, 'cannot be compared'],
    ['create_time>yesterday', 13, 'no instant'],
    ['create_time>2026-02-30T00:00:00Z', 13, 'no instant'],
    ['create_time>2026-02-28T24:00:00Z', 13, 'no instant'],
    ['create_time>2026-02-28', 13, 'no instant'],
    ['create_time:2026-02-28T00:00:00Z', 12, 'cannot be compared'],
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

describe('what AIP-160 has of logic', () => {
  const a = { kind: 'search', text: 'a' };
  const b = { kind: 'search', text: 'b' };
  const c = { kind: 'search', text: 'c' };

  test.each<[string, unknown[]]>([
    ['a OR b', [{ kind: 'or', parts: [a, b] }]],
    ['a AND b OR c', [a, { kind: 'or', parts: [b, c] }]],
    ['a b OR c', [a, { kind: 'or', parts: [b, c] }]],
    ['a OR b AND c', [{ kind: 'or', parts: [a, b] }, c]],
    ['(a b) OR c', [{ kind: 'or', parts: [{ kind: 'and', parts: [a, b] }, c] }]],
    ['((a))', [a]],
    ['NOT a b', [{ kind: 'not', part: a }, b]],
    [
      '-a OR -"b"',
      [
        {
          kind: 'or',
          parts: [
            { kind: 'not', part: a },
            { kind: 'not', part: b },
          ],
        },
      ],
    ],
    ['NOT(a OR b)', [{ kind: 'not', part: { kind: 'or', parts: [a, b] } }]],
    ['-(a b)', [{ kind: 'not', part: { kind: 'and', parts: [a, b] } }]],
    ['-kit=true', [{ kind: 'not', part: { kind: 'flag', field: 'kit', operator: '=', value: true } }]],
    ['"-a"', [{ kind: 'search', text: '-a' }]],
    [
      'a-b or',
      [
        { kind: 'search', text: 'a-b' },
        { kind: 'search', text: 'or' },
      ],
    ],
  ])('%s', (filter, expected) => {
    expect(parseFilter(filter)).toEqual(expected);
  });

  test('terms and parentheses are bounded', () => {
    const nested = (depth: number) => `${'('.repeat(depth)}a${')'.repeat(depth)}`;
    expect(parseFilter(nested(MAX_DEPTH))).toEqual([a]);
    expect(() => parseFilter(nested(MAX_DEPTH + 1))).toThrow(`at most ${MAX_DEPTH} deep`);
    expect(() => parseFilter(`(${'a OR '.repeat(MAX_TERMS)}a)`)).toThrow(`at most ${MAX_TERMS} terms`);
  });
});

test.each(['2026-02-28T09:30:00Z', '"2026-02-28T09:30:00.000Z"', '2026-02-28t10:30:00+01:00'])(
  'compares instants such as %s',
  (text) => {
    expect(parseFilter(`(create_time>=${text})`)).toEqual([
      { kind: 'time', field: 'create_time', operator: '>=', value: new Date('2026-02-28T09:30:00Z') },
    ]);
  },
);

/** A filter as text, with more parentheses than it needs. */
function printed(filter: Filter): string {
  const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
  switch (filter.kind) {
    case 'search':
      return quoted(filter.text);
    case 'not':
      return `NOT (${printed(filter.part)})`;
    case 'and':
    case 'or':
      return `(${filter.parts.map(printed).join(filter.kind === 'and' ? ' AND ' : ' OR ')})`;
    case 'policy':
      return `out_of_stock_policy${filter.operator}${OutOfStockPolicy[filter.value]}`;
    case 'component':
      return `components:${quoted(filter.value)}`;
    case 'time':
      return `${filter.field} ${filter.operator} ${filter.value.toISOString()}`;
    default:
      return `${filter.field} ${filter.operator} ${quoted(`${filter.value}`)}`;
  }
}

const text = fc.string({ unit: 'binary', maxLength: 5 }).map((some) => some.replaceAll('\0', ''));
const term: fc.Arbitrary<Filter> = fc.oneof(
  fc.record({ kind: fc.constant('search' as const), text }),
  fc.record({
    kind: fc.constant('text' as const),
    field: fc.constantFrom('name' as const, 'category' as const),
    operator: fc.constantFrom('=' as const, '!=' as const, ':' as const),
    value: text,
  }),
  fc.record({
    kind: fc.constant('time' as const),
    field: fc.constantFrom('create_time' as const, 'update_time' as const),
    operator: fc.constantFrom('<' as const, '>=' as const),
    value: fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }),
  }),
  fc.record({
    kind: fc.constant('policy' as const),
    operator: fc.constantFrom('=' as const, '!=' as const),
    value: fc.constantFrom(OutOfStockPolicy.DENY, OutOfStockPolicy.BACKORDER, OutOfStockPolicy.PREORDER),
  }),
  fc.record({
    kind: fc.constant('flag' as const),
    field: fc.constantFrom('kit' as const, 'lot_tracked' as const, 'deleted' as const),
    operator: fc.constant('=' as const),
    value: fc.boolean(),
  }),
);
const { filter: anyFilter } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    term,
    fc.record({ kind: fc.constant('not' as const), part: tie('filter') }),
    fc.record({
      kind: fc.constantFrom('and' as const, 'or' as const),
      parts: fc.array(tie('filter'), { minLength: 2, maxLength: 3 }),
    }),
  ),
}));

test('what is written is read as it was meant', () => {
  fc.assert(
    fc.property(anyFilter, (filter) => {
      const read = caught(() => parseFilter(printed(filter)));
      // So many terms, or so deep, that it is refused; nothing else may be wrong with it.
      if (read !== undefined) {
        expect(String(read)).toMatch(/at most/);
        return;
      }
      expect(parseFilter(printed(filter))).toEqual([filter]);
    }),
  );
});

test('words, operators and parentheses in any order are read or refused', () => {
  const part = fc.constantFrom(
    'AND',
    'OR',
    'NOT',
    '-',
    '(',
    ')',
    ' ',
    'a',
    '"b"',
    'kit',
    '=',
    ':',
    '>',
    'true',
    'name',
    '!',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 40 }), (parts) => {
      const error = caught(() => parseFilter(parts.join('')));
      expect(error === undefined || error instanceof FilterError).toBe(true);
    }),
    { numRuns: 2_000 },
  );
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
