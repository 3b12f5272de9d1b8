/** The layers of the mesh's benchmark are what their names say: each takes something away, and what is left is one that Envoy loads. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureCertificates } from '../../../dev/src/certificates.ts';
import { envoyBinary } from '../../../dev/src/envoy-binary.ts';
import { bootstrapOf, type Layer, layers, parts } from './layers.ts';

const run = promisify(execFile);
let state: string;

beforeAll(async () => {
  state = mkdtempSync(join(tmpdir(), 'weft-layers-'));
  for (const folder of ['run', 'logs']) mkdirSync(join(state, folder));
  await ensureCertificates(state, ['pricing', 'inventory']);
});
afterAll(() => rmSync(state, { recursive: true, force: true }));

const textOf = (layer: Layer): string =>
  ['pricing', 'inventory'].map((workload) => JSON.stringify(bootstrapOf(workload, layer, 1))).join('\n');
const everything = textOf({ name: 'everything', change: () => {} });

test.each([...layers, ...parts])('$name: Envoy loads it', async (layer) => {
  for (const workload of ['pricing', 'inventory']) {
    const file = join(state, 'bootstrap.json');
    writeFileSync(file, JSON.stringify(bootstrapOf(workload, layer, 1)));
    const { stdout } = await run(await envoyBinary(), ['--mode', 'validate', '-c', file, '-l', 'error'], {
      cwd: state,
    });
    expect(stdout).toMatch(/OK\s*$/);
  }
});

test('layers grow, up to all that is generated', () => {
  const sizes = layers.map((layer) => textOf(layer).length);
  expect(sizes.toSorted((a, b) => a - b)).toEqual(sizes);
  expect(sizes.at(-1)).toBe(everything.length);
});

test('each part that is left out was there', () => {
  const [full, ...less] = parts.map(textOf);
  for (const [index, text] of less.entries())
    expect(text.length, parts[index + 1]?.name).toBeLessThan(full?.length ?? 0);
});

test('the first layer has none of the policy, the second identities only', () => {
  const [plain = '', encrypted = ''] = layers.map(textOf);
  for (const word of ['spiffe://', 'rbac', 'ratelimit', 'retry_policy', 'grpc_stats', 'opentelemetry', 'access_log'])
    expect(plain).not.toContain(word);
  expect(encrypted).toContain('spiffe://');
  expect(encrypted).not.toContain('rbac');
});
