/** What every contract keeps to that buf's linter does not look for: bounds on all that a caller sends, and a word on repetition. */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { type DescField, type DescFile, type DescMessage, getOption, ScalarType } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel as IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { type FieldRules, field as fieldRules } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { beforeAll, describe, expect, test } from 'vitest';
import { root } from './support/sources.ts';

const folder = join(root, 'gen/ts/weft');
const files: DescFile[] = [];
beforeAll(async () => {
  for (const name of globSync('**/*_pb.js', { cwd: folder })) {
    const exported: Record<string, unknown> = await import(join(folder, name));
    files.push(...Object.values(exported).filter(isFile));
  }
});
const isFile = (value: unknown): value is DescFile =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'file';
const methods = () => files.flatMap((file) => file.services).flatMap((service) => service.methods);

/** Messages that a request holds, the well-known ones left out: their form is Google's. */
function messagesIn(request: DescMessage, found = new Set<DescMessage>()): Set<DescMessage> {
  if (found.has(request) || request.typeName.startsWith('google.')) return found;
  found.add(request);
  for (const field of request.fields) if (field.message !== undefined) messagesIn(field.message, found);
  return found;
}

/** Whether something bounds the values that the field can have. */
function isBounded(field: DescField): boolean {
  if (field.fieldKind === 'scalar' && field.scalar === ScalarType.BOOL) return true;
  // A message is bounded by what it holds.
  if (field.fieldKind === 'message') return true;
  const rules = getOption(field, fieldRules);
  if (field.fieldKind === 'list') return rules.type.case === 'repeated' && rules.type.value.maxItems !== undefined;
  if (field.fieldKind === 'map') return rules.type.case === 'map' && rules.type.value.maxPairs !== undefined;
  if (field.fieldKind === 'enum') return rules.type.case === 'enum';
  return rules.type.case !== undefined && (rules.type.case !== 'string' || boundsText(rules));
}

function boundsText({ type }: FieldRules): boolean {
  if (type.case !== 'string') return false;
  const { maxLen, maxBytes, len, pattern, in: among, const: only, wellKnown } = type.value;
  // A pattern bounds a text when it is anchored and repeats nothing for ever.
  const isBounding = pattern.startsWith('^') && pattern.endsWith('$') && !/[*+]|,\}/.test(pattern);
  return (
    (maxLen || maxBytes || len) > 0n || isBounding || among.length > 0 || only !== '' || wellKnown.case !== undefined
  );
}

test('there are contracts to look at', () => {
  expect(methods().length).toBeGreaterThan(50);
});

test('every field that a caller sends has a bound', () => {
  const requests = new Set(methods().flatMap((method) => [...messagesIn(method.input)]));
  const loose = [...requests].flatMap((message) => message.fields.filter((field) => !isBounded(field)));
  expect(loose.map((field) => `${field.parent.typeName}.${field.name}`)).toEqual([]);
});

describe('every RPC', () => {
  test('says whether it may be repeated', () => {
    const silent = methods().filter(({ idempotency }) => idempotency === IdempotencyLevel.IDEMPOTENCY_UNKNOWN);
    expect(silent.map((method) => method.toString())).toEqual([]);
  });
});
