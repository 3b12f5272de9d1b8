/** What is refused of a topology: each mistake with the line that it is on, and each tightening that would loosen. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ContractError, compile, understand } from '../src/compile.ts';
import type { Problem } from '../src/contract/problem.ts';
import { describeProtos, testFolder } from './support/compile.ts';

const good = readFileSync(join(testFolder, 'topologies/test.yaml'), 'utf8');
const shelf = 'acme.shelf.v1.ShelfService';
const desk = 'acme.desk.v1.DeskService';

let described: ReturnType<typeof describeProtos>;
beforeAll(() => {
  described = describeProtos(join(testFolder, 'protos'));
}, 60_000);

const input = (text: string) => ({
  ...described,
  sourceRoot: 'protos',
  topologies: [{ name: 'test', file: 'topologies/test.yaml', text }],
});

function problemsOf(text: string): readonly Problem[] {
  try {
    compile(input(text));
    return [];
  } catch (error) {
    if (error instanceof ContractError) return error.problems;
    throw error;
  }
}

/** The good topology with one line replaced, or with lines added at its end; `line` is where the problem is expected. */
const replaced = (line: string, by: string): { text: string; line: number } => {
  expect(good).toContain(line);
  return { text: good.replace(line, by), line: good.slice(0, good.indexOf(line)).split('\n').length };
};
const added = (lines: string, offset = 1): { text: string; line: number } => ({
  text: `${good}${lines}\n`,
  line: good.split('\n').length + offset,
});

test('the topology of the tests is good', () => {
  expect(problemsOf(good)).toEqual([]);
});

describe('refused', () => {
  test.each<[string, () => { text: string; line: number }, string | RegExp]>([
    [
      'a key that there is not',
      () => replaced('trusted_proxies: 0', 'trusted_proxys: 0'),
      'test.edge has no key "trusted_proxys"',
    ],
    [
      'a part of a connection',
      () => replaced('max_connections: 4096', 'max_connections: 100.5'),
      'is not a whole number from 1 to 1000000',
    ],
    [
      'a part of a millisecond',
      () => added(`tighten:\n  ${shelf}/GetBook: {deadline_ms: 999.5}`),
      'is not a whole number from 1 to 300000',
    ],
    [
      'a trust domain that no SPIFFE id can have',
      () => replaced('trust_domain: weft.local', 'trust_domain: we ft/local'),
      '"we ft/local" is no trust domain',
    ],
    [
      'an origin that is no regular expression',
      () => replaced("cors_origins: ['https?:", "cors_origins: ['(', 'https?:"),
      '"(" of cors_origins is no regular expression',
    ],
    ['a key that is missing', () => replaced('  sample_percent: 100\n', ''), 'sample_percent is missing'],
    [
      'a text for a number',
      () => replaced('sample_percent: 100', 'sample_percent: all'),
      'is not a number from 0 to 100',
    ],
    [
      'a number out of range',
      () => replaced('sample_percent: 100', 'sample_percent: 101'),
      'is not a number from 0 to 100',
    ],
    [
      'an address without port',
      () => replaced('listen: 127.0.0.1:8080', 'listen: 127.0.0.1'),
      '"127.0.0.1" of listen is no address',
    ],
    ['a port that there is not', () => replaced('listen: 127.0.0.1:8080', 'listen: 127.0.0.1:70000'), 'is no address'],
    ['a key twice', () => replaced('  max_heap_mb: 512', '  max_heap_mb: 512\n  max_heap_mb: 512'), /unique/i],
    [
      'a workload that there is not',
      () => added('workloads:\n  attic:\n    app: unix:run/attic.sock', 2),
      'no workload "attic"',
    ],
    [
      'a reflection of nobody',
      () => replaced('reflection: shelf', 'reflection: attic'),
      'no workload "attic". Use one of desk, shelf',
    ],
    [
      'two workloads that are reached at one address',
      () => added('workloads:\n  desk:\n    reached_at: ["unix:run/shelf.in.sock"]', 2),
      'shelf and desk are both reached at unix:run/shelf.in.sock',
    ],
    [
      'two listeners at one address',
      () => added('workloads:\n  desk:\n    outbound: unix:run/desk.in.sock', 2),
      'inbound and outbound of desk are both unix:run/desk.in.sock',
    ],
    [
      'a subject that there is not',
      () => added(`tighten:\n  acme.shelf.v1.ShelfService/Steal: {deadline_ms: 5}`, 1),
      'there is no RPC',
    ],
    [
      'a longer deadline',
      () => added(`tighten:\n  ${shelf}/GetBook: {deadline_ms: 1001}`),
      "longer than the contract's 1 s",
    ],
    [
      'a deadline of a stream',
      () => added(`tighten:\n  ${shelf}/WatchBooks: {deadline_ms: 5}`),
      'a stream has no deadline',
    ],
    [
      'a higher rate',
      () => added(`tighten:\n  ${shelf}/CountBooks: {requests_per_second: 2}`),
      "more than the contract's 1",
    ],
    [
      'a workload that may do more',
      () => added('tighten:\n  shelf: {max_concurrent_requests: 5}'),
      "more than the contract's 4",
    ],
    ['a deadline of a workload', () => added('tighten:\n  shelf: {deadline_ms: 5}'), 'belong to an RPC'],
    [
      'a deadline below what callees may take',
      () => added(`tighten:\n  ${desk}/OrderBook: {deadline_ms: 4000}`),
      'deadline_ms is 4 s, which is less than its callees may take (GetBook 1 s, LendBook 2 s, CountBooks 2 s): 5 s. Choose 5000',
    ],
    [
      'a deadline below one try',
      () => added(`tighten:\n  ${shelf}/GetBook: {deadline_ms: 399}`),
      'which is less than one try may take: 400 ms',
    ],
  ])('%s', (_, spoil, says) => {
    const { text, line } = spoil();
    const problems = problemsOf(text);
    const found = problems
      .map((problem) => ({ ...problem, text: `${problem.message}. ${problem.mend}` }))
      .find(({ text: told }) => (typeof says === 'string' ? told.includes(says) : says.test(told)));
    expect(found, JSON.stringify(problems)).toBeDefined();
    expect(found?.at.file).toBe('topologies/test.yaml');
    expect(Math.abs((found?.at.line ?? 0) - line), `line ${found?.at.line}, expected ${line}`).toBeLessThanOrEqual(1);
  });
});

test('a topology may tighten', () => {
  const lines = [
    'tighten:',
    `  ${shelf}/GetBook: {deadline_ms: 500, requests_per_second: 10}`,
    '  shelf: {max_concurrent_requests: 2}',
  ];
  const [mesh] = understand(input(`${good}${lines.join('\n')}\n`)).meshes;
  expect(mesh?.contract.methods.get(`${shelf}/GetBook`)).toMatchObject({
    limits: { deadlineMs: 500 },
    rateLimit: { requestsPerSecond: 10, burst: 10 },
  });
  expect(mesh?.contract.workloads.get('shelf')?.maxConcurrentRequests).toBe(2);
});
