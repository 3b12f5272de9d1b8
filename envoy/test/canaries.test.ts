/** What a topology may say of second versions, and what is refused. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { compile } from '../src/compile.ts';
import { describeProtos, testFolder } from './support/compile.ts';

const topology = parse(readFileSync(join(testFolder, 'topologies/test.yaml'), 'utf8'));
const good = { reached_at: ['unix:run/{workload}-2.in.sock'], percent: 5, header: { name: 'x-canary', value: 'next' } };
let described: ReturnType<typeof describeProtos>;
beforeAll(() => {
  described = describeProtos(join(testFolder, 'protos'));
});

/** The bootstraps by workload. */
function compileWith(canaries: object): Map<string, string> {
  const text = stringify({ ...topology, canaries });
  const files = compile({
    ...described,
    sourceRoot: 'protos',
    topologies: [{ name: 'test', file: 'test.yaml', text }],
  });
  return new Map(files.map(({ name, content }) => [name.replace(/^envoy\/test\/|\.yaml$/g, ''), content]));
}

describe('what is refused', () => {
  test.each<[string, object, string]>([
    ['a share above 100', { ...good, percent: 101 }, 'percent is not a number from 0 to 100'],
    ['a share below 0', { ...good, percent: -1 }, 'percent is not a number from 0 to 100'],
    ['a share that is too fine', { ...good, percent: 0.001 }, 'percent 0.001 is finer than a hundredth'],
    ['nobody', { reached_at: good.reached_at, percent: 0 }, 'the second version of shelf gets no call'],
    ['no address', { percent: 5 }, 'reached_at is missing'],
    ['what is no address', { ...good, reached_at: ['nowhere'] }, '"nowhere" of reached_at is no address'],
    [
      'an address of the first version',
      { ...good, reached_at: ['unix:run/shelf.in.sock'] },
      'unix:run/shelf.in.sock of reached_at is an address of shelf already',
    ],
    ['an address twice', { ...good, reached_at: ['a:1', 'a:1'] }, 'a:1 of reached_at is an address of shelf already'],
    ['an unknown key', { ...good, persent: 5 }, 'test.canaries.shelf has no key "persent"'],
    ...['x-weft-canary', 'x-envoy-canary', 'x-forwarded-for', 'x-request-id'].map((name): [string, object, string] => [
      `the header ${name}`,
      { ...good, header: { name, value: 'a' } },
      `the edge removes ${name}`,
    ]),
    ...['canary', 'X-Canary', 'x_canary', 'x-', 'authorization', 'traceparent', ':path'].map(
      (name): [string, object, string] => [
        `the header ${name}`,
        { ...good, header: { name, value: 'a' } },
        `"${name}" cannot steer calls`,
      ],
    ),
    [
      'a header of gRPC-Web',
      { ...good, header: { name: 'x-grpc-web', value: '1' } },
      'x-grpc-web has a meaning already',
    ],
    [
      "a value that cannot stand in Envoy's expression",
      { ...good, header: { name: 'x-canary', value: "a' || '" } },
      'no value',
    ],
    ['a header without value', { ...good, header: { name: 'x-canary' } }, 'value is missing'],
  ])('%s', (_, canary, says) => {
    expect(() => compileWith({ shelf: canary })).toThrow(says);
  });

  test('a workload that does not exist, naming those that do', () => {
    expect(() => compileWith({ shelve: good })).toThrow(/no workload "shelve"[\s\S]*desk, shelf/);
  });

  test('the edge', () => {
    expect(() => compileWith({ edge: good })).toThrow('the edge has no second version');
  });
});

describe('what is written', () => {
  test('only callers of the workload know of its second version', () => {
    const files = compileWith({ shelf: good });
    for (const caller of ['edge', 'desk']) expect(files.get(caller)).toContain('shelf_canary');
    expect(files.get('shelf')).not.toContain('canary');
  });

  test('without canaries nothing of them', () => {
    for (const text of compileWith({}).values()) expect(text).not.toMatch(/canary|x-weft-choice|weighted/);
  });

  test('a share without a header adds no header', () => {
    const files = compileWith({ shelf: { reached_at: good.reached_at, percent: 5 } });
    expect(files.get('edge')).toContain('{name: shelf_canary, weight: 500}');
    expect(files.get('edge')).not.toContain('x-weft-choice');
  });
});
