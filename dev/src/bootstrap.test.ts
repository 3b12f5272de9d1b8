import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { withPorts, workloadNames, writeBootstrap } from './bootstrap.ts';
import { ensureCertificates } from './certificates.ts';
import { envoyBinary } from './envoy-binary.ts';
import { defaultPorts } from './ports.ts';
import { scratchFolder } from './testing/scratch.ts';
import { TokenMint } from './tokens.ts';

const run = promisify(execFile);
const ports = { edge: 18_080, otlp: 14_318, postgres: 15_432, web: 15_173 };

test('only addresses of loopback with a default port are replaced', () => {
  const source = `
static_resources:
  listeners:
    - name: edge
      address: {socket_address: {address: 127.0.0.1, port_value: 8080}}
      filter_chains: [{max: 8080, uri: "http://127.0.0.1:4318/v1/traces", origin: "http://localhost:5173", other: "http://127.0.0.1:43180/x"}]
  clusters:
    - endpoints: [{socket_address: {address: 127.0.0.1, port_value: 4318}}, {socket_address: {address: 10.0.0.1, port_value: 4318}}]
`;
  expect(parse(withPorts(source, ports)).static_resources).toEqual({
    listeners: [
      {
        name: 'edge',
        address: { socket_address: { address: '127.0.0.1', port_value: 18_080 } },
        filter_chains: [
          {
            max: 8080,
            uri: 'http://127.0.0.1:14318/v1/traces',
            origin: 'http://localhost:15173',
            other: 'http://127.0.0.1:43180/x',
          },
        ],
      },
    ],
    clusters: [
      {
        endpoints: [
          { socket_address: { address: '127.0.0.1', port_value: 14_318 } },
          { socket_address: { address: '10.0.0.1', port_value: 4318 } },
        ],
      },
    ],
  });
});

test('Envoy takes every bootstrap as it is written, with ports replaced', async () => {
  const folder = scratchFolder();
  const workloads = workloadNames();
  expect(workloads).toEqual(expect.arrayContaining(['edge', 'inventory', 'pricing', 'shipping', 'console']));
  for (const name of ['run', 'logs']) mkdirSync(join(folder, name));
  await Promise.all([ensureCertificates(folder, workloads), TokenMint.open(folder)]);
  const envoy = await envoyBinary();
  for (const workload of workloads) {
    const bootstrap = writeBootstrap(folder, workload, ports);
    const { stdout } = await run(envoy, ['--mode', 'validate', '-c', bootstrap, '--log-level', 'error'], {
      cwd: folder,
    });
    expect(stdout).toContain('OK');
  }
  expect(readFileSync(join(folder, 'envoy', 'edge.yaml'), 'utf8')).toContain('port_value: 18080');
}, 60_000);

test('a bootstrap is written anew only when its source or the ports differ', () => {
  const folder = scratchFolder();
  const path = join(folder, writeBootstrap(folder, 'edge', ports));
  const written = statSync(path).mtimeMs;
  writeBootstrap(folder, 'edge', ports);
  expect(statSync(path).mtimeMs).toBe(written);
  writeBootstrap(folder, 'edge', defaultPorts);
  expect(readFileSync(path, 'utf8')).toContain('port_value: 8080');
});
