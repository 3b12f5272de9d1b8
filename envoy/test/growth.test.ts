/**
 * The compiler's work grows as the contract does: by counting how often each piece of its code runs, not by a clock. V8 counts for
 * coverage; a contract of twice the size may cost twice as many runs and no more.
 */
import { Session } from 'node:inspector/promises';
import { runInThisContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { largeContract, topology } from '../bench/large-contract.ts';
import type { compile as Compile, Input } from '../src/compile.ts';
import { describeProtos } from './support/compile.ts';

const session = new Session();
let compile: typeof Compile;

beforeAll(async () => {
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  // Only what is loaded from now on counts its branches too.
  ({ compile } = await import('../src/compile.ts'));
});
afterAll(() => session.disconnect());

const all = { policyTable: 'policy.ts', exposedServices: 'exposed.ts', reference: 'docs', sourceRoot: 'proto' };

function inputOf(rpcs: number): Input {
  const file = { name: 'local', file: 'local.yaml', text: topology('load.example') };
  return { ...all, ...describeProtos(Object.fromEntries(largeContract(rpcs))), topologies: [file] };
}

/** How often functions and branches of the files that `source` matches ran while `work` did. */
async function runsIn(source: RegExp, work: () => void): Promise<number> {
  await session.post('Profiler.takePreciseCoverage'); // Sets the counts to zero.
  work();
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const functions = result.filter(({ url }) => source.test(url)).flatMap((script) => script.functions);
  return functions.flatMap(({ ranges }) => ranges).reduce((sum, { count }) => sum + count, 0);
}

test('a contract twice as large takes twice the work', async () => {
  const [small, large] = [inputOf(500), inputOf(1000)];
  compile(small); // What runs once for the whole process has run.
  const before = await runsIn(/envoy\/src\//, () => compile(small));
  const after = await runsIn(/envoy\/src\//, () => compile(large));
  expect(before).toBeGreaterThan(100_000);
  expect(after / before).toBeGreaterThan(1.5);
  expect(after / before).toBeLessThan(2.2);
}, 120_000);

test('work that grows with the square of its input is noticed', async () => {
  const code =
    '(size) => { for (let a = 0; a < size; a += 1) for (let b = 0; b < size; b += 1) { if (a < 0) a += 1; } }';
  const pairs = runInThisContext(code, { filename: 'pairs.js' });
  const before = await runsIn(/^pairs/, () => pairs(1000));
  const after = await runsIn(/^pairs/, () => pairs(2000));
  expect(after / before).toBeGreaterThan(3);
});
