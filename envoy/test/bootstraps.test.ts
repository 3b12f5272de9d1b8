/** Every bootstrap that is committed loads: `envoy --mode validate`, with throwaway certificates where it expects certificates. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ensureCertificates } from '../../dev/src/certificates.ts';
import { envoyBinary } from '../../dev/src/envoy-binary.ts';
import { TokenMint } from '../../dev/src/tokens.ts';

const generated = fileURLToPath(new URL('../../gen/envoy', import.meta.url));
const topologies = readdirSync(generated);
const files = topologies.flatMap((topology) =>
  readdirSync(join(generated, topology)).map((file) => join(topology, file)),
);
const run = promisify(execFile);
let state: string;
let binary: string;

beforeAll(async () => {
  state = mkdtempSync(join(tmpdir(), 'weft-validate-'));
  for (const folder of ['run', 'logs']) mkdirSync(join(state, folder));
  await ensureCertificates(state, [...new Set(files.map((file) => basename(file, '.yaml')))]);
  await TokenMint.open(state);
  binary = await envoyBinary();
}, 120_000);
afterAll(() => rmSync(state, { recursive: true, force: true }));

/** Containers have their files under absolute paths. */
const besideTheState = (text: string): string => text.replaceAll('/etc/weft', '.').replaceAll('/var/run/weft/', 'run/');

async function validate(text: string): Promise<string> {
  const file = join(state, 'bootstrap.yaml');
  writeFileSync(file, text);
  const { stdout, stderr } = await run(binary, ['--mode', 'validate', '-c', file, '--log-level', 'warning'], {
    cwd: state,
  });
  return `${stdout}${stderr}`;
}

test.each(files)('%s', async (file) => {
  const said = await validate(besideTheState(readFileSync(join(generated, file), 'utf8')));
  expect(said).toMatch(/OK\s*$/);
  expect(said).not.toMatch(/deprecated/i);
});

test('a bootstrap with a mistake does not load', async () => {
  const text = besideTheState(readFileSync(join(generated, files[0] ?? ''), 'utf8'));
  await expect(validate(text.replace('stat_prefix:', 'stat_prefixx:'))).rejects.toThrow('stat_prefixx');
});

test.each(files)('%s listens on nothing but its own doors', (file) => {
  const bootstrap = parse(readFileSync(join(generated, file), 'utf8'));
  const listeners: { name: string; address: object }[] = bootstrap.static_resources.listeners;
  // The edge serves its key set to itself, where nobody else may connect.
  const keys = listeners.filter(({ name }) => name === 'key_set');
  for (const { address } of keys) expect(address).toMatchObject({ pipe: { mode: 0o600 } });
  const names = listeners.filter((listener) => !keys.includes(listener)).map(({ name }) => name);
  expect(names).toEqual(basename(file) === 'edge.yaml' ? ['edge'] : ['inbound', 'outbound']);
  expect(bootstrap.admin.address).toHaveProperty('pipe');
});
