/** docs/policy.md: every option and key has its row, with the bounds, the defaults and the messages that the compiler has today. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DescFile } from '@bufbuild/protobuf';
import { beforeAll, expect, test } from 'vitest';
import { ContractError } from '../../envoy/src/compile.ts';
import { formatMs } from '../../envoy/src/contract/duration.ts';
import { bounds, defaults } from '../../envoy/src/contract/vocabulary.ts';
import { compileProtos, describeProtos } from '../../envoy/test/support/compile.ts';
import { root } from './support/sources.ts';

const page = readFileSync(join(root, 'docs/policy.md'), 'utf8');
const brokenFolder = join(root, 'test/static/support/broken');
let options: DescFile;

beforeAll(() => {
  const registry = describeProtos(join(root, 'envoy/test/protos')).registry;
  const found = registry.getFile('weft/mesh/v1/options.proto');
  if (!found) throw new Error('the example contracts import no policy options');
  options = found;
});

/** The rows of the table below a heading: the name in the first cell without its backticks, and the other cells. */
function rowsOf(heading: string): Map<string, string[]> {
  const [, section = ''] = page.split(new RegExp(`^#+ ${heading}\\b.*$`, 'm'));
  const [text = ''] = section.split(/^#/m);
  const rows = [...text.matchAll(/^\| `([^`]+)` +\|(.*)\|$/gm)];
  return new Map(rows.map(([, name = '', cells = '']) => [name, cells.split(' | ').map((cell) => cell.trim())]));
}

test('every message and enum has a table with a row for each field and value, and no other', () => {
  const declared = [
    ...options.messages.map(({ name, fields }) => [name, fields.map((field) => field.name)] as const),
    ...options.enums.map(({ name, values }) => [name, values.map((value) => value.name)] as const),
  ];
  expect(declared.length).toBeGreaterThan(9);
  for (const [name, entries] of declared) expect([...rowsOf(name).keys()], name).toEqual(entries);
  const headings = [...page.matchAll(/^### (\w+)$/gm)].map(([, name]) => name);
  expect(headings.toSorted()).toEqual(declared.map(([name]) => name).toSorted());
});

/** Which field each bound is of. */
const bounded: Readonly<Record<keyof typeof bounds, readonly string[]>> = {
  maxConcurrentRequests: ['ServicePolicy.max_concurrent_requests'],
  consecutiveFailures: ['OutlierEjection.consecutive_failures'],
  baseEjectionTimeMs: ['OutlierEjection.base_ejection_time'],
  deadlineMs: ['MethodPolicy.deadline'],
  idleTimeoutMs: ['StreamLimits.idle_timeout'],
  maxDurationMs: ['StreamLimits.max_duration'],
  maxAttempts: ['Retry.max_attempts'],
  perTryTimeoutMs: ['Retry.per_try_timeout'],
  maxTimes: ['Call.max_times'],
  requestsPerSecond: ['RateLimit.requests_per_second'],
  burst: ['RateLimit.burst'],
  partsPerMillion: ['Objective.availability_ppm', 'Objective.latency_ppm'],
  latencyMs: ['Objective.latency'],
};

const inWords = (key: string, value: number): string =>
  key.endsWith('Ms') ? formatMs(value) : value.toLocaleString('en-US');

/** A cell of a field's row, by its number behind the name. */
const cell = (field: string, column: number): string => {
  const [message = '', name = ''] = field.split('.');
  return rowsOf(message).get(name)?.[column] ?? `no row for ${field}`;
};

test('ranges are the ones that the compiler keeps', () => {
  const wrong = Object.entries(bounded).flatMap(([key, fields]) => {
    const [least, most] = bounds[key as keyof typeof bounds];
    const range = `${inWords(key, least)} to ${inWords(key, most)}`;
    return fields.filter((field) => !new RegExp(`^${range}(,|$)`).test(cell(field, 2))).map((f) => `${f}: ${range}`);
  });
  expect(Object.keys(bounded).toSorted()).toEqual(Object.keys(bounds).toSorted());
  expect(wrong).toEqual([]);
});

test('defaults are the ones that the compiler fills in', () => {
  const wrong = Object.entries(defaults).flatMap(([key, value]) => {
    return bounded[key as keyof typeof defaults].filter((field) => cell(field, 1) !== inWords(key, value));
  });
  expect(wrong).toEqual([]);
});

/** Every rule that a problem of the compiler can have. */
function rulesInCode(): string[] {
  const texts = ['checks', 'contract', 'topology'].flatMap((folder) => {
    const path = join(root, 'envoy/src', folder);
    return readdirSync(path).map((name) => readFileSync(join(path, name), 'utf8'));
  });
  const found = texts.flatMap((text) => [...text.matchAll(/rule: '([a-z-]+)'|'([a-z-]+)',\s+(?:message,|`)/g)]);
  return [...new Set(found.map(([, one, other]) => one ?? other ?? ''))].sort();
}

test('every rule is named, and none that there is not', () => {
  expect(rulesInCode().length).toBeGreaterThan(20);
  expect([...rowsOf('Rules').keys()].toSorted()).toEqual(rulesInCode());
});

test('rules that guard a field are rules', () => {
  const named = options.messages.flatMap(({ name }) => [...rowsOf(name).values()].map((cells) => cells.at(-1) ?? ''));
  const guards = named.flatMap((text) => [...text.matchAll(/`([a-z-]+)`/g)].map(([, rule]) => rule));
  expect(guards.length).toBeGreaterThan(30);
  expect(guards.filter((rule) => !rulesInCode().includes(rule ?? ''))).toEqual([]);
});

/** What the compiler says to contracts and a topology that are wrong in every way: rule and text. */
function complaints(): Map<string, string[]> {
  const said = new Map<string, string[]>();
  const note = (work: () => unknown): void => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof ContractError)) throw error;
      for (const { rule, message, mend } of error.problems) {
        said.set(rule, [...(said.get(rule) ?? []), `${message}. ${mend}.`]);
      }
    }
  };
  for (const file of readdirSync(brokenFolder)) {
    note(() => compileProtos({ [`broken/v1/${file}`]: readFileSync(join(brokenFolder, file), 'utf8') }));
  }
  const good = readFileSync(join(root, 'envoy/test/topologies/test.yaml'), 'utf8');
  const longer = 'tighten: {acme.desk.v1.DeskService/OrderBook: {deadline_ms: 60000}}';
  const text = `${good.replace('sample_percent: 100', 'sample_percent: 101')}\n${longer}\n`;
  note(() =>
    compileProtos(join(root, 'envoy/test/protos'), { topologies: [{ name: 'test', file: 'test.yaml', text }] }),
  );
  return said;
}

test('examples are what the compiler says', () => {
  const said = complaints();
  const wrong = [...rowsOf('Rules')].filter(([rule, [example = '']]) => !said.get(rule)?.includes(example));
  expect(wrong.map(([rule]) => ({ rule, says: said.get(rule) }))).toEqual([]);
});

test('every key of a topology has a row, and none that is not read', () => {
  const folder = join(root, 'envoy/src/topology');
  const texts = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8').replaceAll(/^ \*.*$/gm, ''));
  const read = texts.flatMap((text) => [
    ...text.matchAll(/\b(?:text|texts|number|whole|optionalWhole|section|has|address)\(\s*'([a-z_]+)'/g),
  ]);
  const keys = [...new Set(read.map(([, key = '']) => key))].sort();
  const named = [...rowsOf('Topologies').keys()].flatMap((path) => path.split('.'));
  expect(keys.length).toBeGreaterThan(20);
  expect([...new Set(named)].sort()).toEqual(keys);
});
