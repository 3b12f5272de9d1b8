// What the rules of our own contracts come to is in test/rules.test.ts; here is what others might say.

import { create } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import {
  type FieldRules,
  Int64RulesSchema,
  RepeatedRulesSchema,
  StringRulesSchema,
} from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { describe, expect, test } from 'vitest';
import { listCheck, UNKNOWN, valueCheck } from './quick-values.ts';

const ofString = (rules: object) => valueCheck({ case: 'string', value: create(StringRulesSchema, rules) }, undefined);

describe('patterns', () => {
  test.each([
    '^[A-Z0-9][A-Z0-9._-]{0,63}$',
    '^\\P{Cc}*$',
    '^[^\\x00]*$',
    '^[a-z0-9-]+(/[a-z0-9-]+){0,4}$',
    '^([0-9]{8}|[0-9]{12,14})?$',
    '^$',
  ])('%s means the same to both engines', (pattern) => {
    expect(ofString({ pattern })).toBeTypeOf('function');
  });

  test.each([
    ['is not of the whole text', 'a'],
    ['begins without an end', '^a'],
    ['names a class of characters that differs', '^\\s*$'],
    ['has any character, which differs at line ends', '^.*$'],
    ['has a class that excludes nothing', '^[^]a[b]$'],
    ['repeats a group without end', '^(a+)+$'],
    ['repeats a group without end by a number', '^(a*){2,}$'],
    ['repeats a group often', '^(a*){12}$'],
    ['repeats what the other engine refuses', '^a{1001}$'],
    ['this engine refuses', '^a{2}{3}$'],
    ['looks ahead', '^(?=a)a$'],
    ['refers back', '^(a)\\1$'],
  ])('one that %s is for the library', (_, pattern) => {
    expect(ofString({ pattern })).toBe(UNKNOWN);
  });
});

test.each<[string, FieldRules['type']]>([
  ['a rule that is not known', { case: 'string', value: create(StringRulesSchema, { prefix: 'a' }) }],
  [
    'another form than that of a UUID',
    { case: 'string', value: create(StringRulesSchema, { wellKnown: { case: 'email', value: true } }) },
  ],
  [
    'bounds the wrong way round, which exclude what is between them',
    {
      case: 'int64',
      value: create(Int64RulesSchema, { lessThan: { case: 'lt', value: 1n }, greaterThan: { case: 'gt', value: 5n } }),
    },
  ],
])('%s is for the library', (_, rules) => {
  expect(valueCheck(rules, undefined)).toBe(UNKNOWN);
});

test('a length between two numbers of code points is for the library where units do not tell', () => {
  const check = ofString({ minLen: 2n, maxLen: 3n });
  if (typeof check !== 'function') throw new Error('lengths are known');
  expect(['', 'a', '🍵', 'abcd', '🍵🍵🍵🍵'].map(check)).toEqual([false, false, false, false, false]);
});

test('items that are objects are unique by what they hold, which only the library compares', () => {
  const rules = { case: 'repeated', value: create(RepeatedRulesSchema, { unique: true }) } as const;
  const { dependency, messageType } = FileDescriptorProtoSchema.field;
  expect(listCheck(rules, undefined, messageType)).toBe(UNKNOWN);
  const check = listCheck(rules, undefined, dependency);
  if (typeof check !== 'function') throw new Error('texts are known');
  expect([check(['a', 'b']), check(['a', 'b', 'a'])]).toEqual([true, false]);
});
