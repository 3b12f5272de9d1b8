/** The rules of protovalidate in words: `{string: {min_len: '1', max_len: '64'}}` is "1 to 64 characters". */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';

/** Phrases for one field's rules, in the order in which people ask; empty when there are none. */
export function boundsInWords(rules: JsonObject | undefined): string[] {
  if (!rules) return [];
  const { required, ignore, cel, cel_expression: expressions, ...byType } = rules;
  return [
    ...(required === true ? ['required'] : []),
    ...Object.values(byType).flatMap((typed) => (isObject(typed) ? typedInWords(typed) : [])),
    ...list(cel).map((rule) => (isObject(rule) ? String(rule.message ?? rule.expression ?? '') : '')),
    ...list(expressions).map((expression) => code(expression)),
    ...(ignore === 'IGNORE_ALWAYS' ? ['not validated'] : []),
  ].filter((phrase) => phrase !== '');
}

/** Pairs that read best as a range, with the unit behind them. */
const ranges: readonly [least: string, most: string, unit: string][] = [
  ['min_len', 'max_len', 'characters'],
  ['min_bytes', 'max_bytes', 'bytes'],
  ['min_items', 'max_items', 'items'],
  ['min_pairs', 'max_pairs', 'pairs'],
  ['gte', 'lte', ''],
];

function typedInWords(rules: JsonObject): string[] {
  const { ...rest } = rules;
  const phrases: string[] = [];
  for (const [least, most, unit] of ranges) {
    const phrase = rangeInWords(rest[least], rest[most], unit);
    if (phrase !== '') phrases.push(phrase);
    delete rest[least];
    delete rest[most];
  }
  return [...phrases, ...Object.entries(rest).map(([name, value]) => ruleInWords(name, value))];
}

function rangeInWords(least: JsonValue | undefined, most: JsonValue | undefined, unit: string): string {
  if (least === undefined && most === undefined) return '';
  const [from, to] = [number(least), number(most)];
  if (least === undefined) return `at most ${to} ${unit}`.trim();
  if (most === undefined) return `at least ${from} ${unit}`.trim();
  return (from === to ? `exactly ${from} ${unit}` : `${from} to ${to} ${unit}`).trim();
}

function ruleInWords(name: string, value: JsonValue): string {
  if (name === 'pattern') return `matches ${code(value)}`;
  if (name === 'items') return `each ${boundsInWords(value as JsonObject).join(', ')}`;
  if (name === 'keys' || name === 'values') return `${name}: ${boundsInWords(value as JsonObject).join(', ')}`;
  if (name === 'in') return `one of ${list(value).map(code).join(', ')}`;
  if (name === 'not_in') return `not ${list(value).map(code).join(', ')}`;
  if (name === 'gt') return `more than ${number(value)}`;
  if (name === 'lt') return `less than ${number(value)}`;
  if (name === 'len') return `exactly ${number(value)} characters`;
  if (name === 'defined_only') return 'a defined value';
  if (value === true) return name.replaceAll('_', ' ');
  return `${name.replaceAll('_', ' ')} ${code(value)}`;
}

/** 64-bit numbers are text in JSON. */
const number = (value: JsonValue | undefined): string =>
  /^-?\d+$/.test(String(value)) ? BigInt(String(value)).toLocaleString('en-US') : String(value);

const code = (value: JsonValue): string => `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
const list = (value: JsonValue | undefined): JsonValue[] => (Array.isArray(value) ? value : []);
const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
