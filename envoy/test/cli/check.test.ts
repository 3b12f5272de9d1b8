/** `weft check`: real Envoys that run what the contract compiles to, others that do not, and one that is gone. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exampleContract } from '../support/contract-under-test.ts';
import { type LiveMesh, startMesh } from '../support/live-mesh.ts';
import { Repository } from './support/workspace.ts';

let repository: Repository;
beforeAll(() => {
  repository = new Repository();
  rmSync(join(repository.folder, 'proto/acme/lobby'), { recursive: true });
});
afterAll(() => repository?.remove());

/** Asks about a mesh, its two moved ports named. */
const check = (mesh: LiveMesh, ...more: string[]) => {
  const ports = ['--port', `8080=${mesh.edgePort}`, '--port', `4318=${mesh.collectorPort}`];
  return repository.weft('check', '--against', mesh.folder, ...ports, ...more);
};

describe('a mesh of what the contract compiles to', () => {
  let mesh: LiveMesh;
  beforeAll(async () => {
    mesh = await startMesh(exampleContract());
  }, 60_000);
  afterAll(async () => {
    await mesh?.stop();
  });

  test('is equal to it', async () => {
    expect(await check(mesh)).toEqual({
      status: 0,
      stderr: '',
      stdout: 'edge: equal\ndesk: equal\nshelf: equal\n3 of 3 Envoys have what the contract compiles to.\n',
    });
  });

  test('tells no private key, and nothing but its bootstrap', async () => {
    const dump = await mesh.admin('shelf', '/config_dump?mask=bootstrap');
    expect(dump.status).toBe(200);
    expect(dump.body).not.toMatch(/PRIVATE KEY|private_key/);
    for (const path of [
      '/config_dump',
      '/config_dump?include_eds',
      '/certs',
      '/config_dump?mask=dynamic_active_secrets',
    ]) {
      expect((await mesh.admin('shelf', path)).status, path).toBe(403);
    }
  });

  test('differs where the topology has other ports', async () => {
    const { status, stdout } = await repository.weft(
      'check',
      '--against',
      mesh.folder,
      '--port',
      `4318=${mesh.collectorPort}`,
    );
    expect(status).toBe(1);
    expect(stdout).toContain('edge: one difference');
    expect(stdout).toContain(`started on other ports: --port 8080=${mesh.edgePort}\n`);
    expect(stdout).toMatch(/listeners\[edge\]\.address\.socket_address\.port_value\n +contract +8080\n +live +\d+\n/);
  });

  test('differs once the contract says more than was deployed', async () => {
    const path = 'proto/acme/shelf/v1/shelf_service.proto';
    const before = repository.read(path);
    repository.edit(path, 'deadline: {seconds: 1}', 'deadline: {seconds: 3}');
    const { status, stdout } = await check(mesh);
    repository.write(path, before);
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /virtual_hosts\[shelf\]\.routes\[acme\.shelf\.v1\.ShelfService\/GetBook\]\.route\.max_stream_duration\.max_stream_duration\n +contract +"3s" +proto\/acme\/shelf\/v1\/shelf_service\.proto:\d+\n +live +"1s"\n/,
    );
  });

  test('is not all there when a sidecar is gone', async () => {
    const child = mesh.processOf('shelf');
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    const { status, stdout } = await check(mesh);
    expect(status).toBe(1);
    expect(stdout).toContain('shelf: nobody answers at its admin address; it is not running\n2 of 3 Envoys');
  });
});

describe('a mesh that somebody edited', () => {
  let mesh: LiveMesh;
  beforeAll(async () => {
    const spoil = (workload: string, text: string) =>
      workload === 'shelf'
        ? text.replace(
            'principals: [{authenticated: {principal_name: {exact: spiffe://weft.local/edge}}}]',
            'principals: [{authenticated: {principal_name: {exact: spiffe://weft.local/edge}}}, {any: true}]',
          )
        : text.replace(/budget_percent: \{value: \d+\}/, 'budget_percent: {value: 80}');
    mesh = await startMesh(exampleContract(), { spoil });
  }, 60_000);
  afterAll(async () => {
    await mesh?.stop();
  });

  test('is found out, place by place', async () => {
    const { status, stdout } = await check(mesh, '--json');
    expect(status).toBe(1);
    const findings: {
      workload: string;
      differences: { path: string; compiled?: string; live?: string; source?: string }[];
    }[] = JSON.parse(stdout);
    const [policy, ...others] = findings.find(({ workload }) => workload === 'shelf')?.differences ?? [];
    expect(others).toEqual([]);
    expect(policy?.path).toMatch(/rules\.policies\.acme\.shelf\.v1\.ShelfService\/\w+\.principals\[1\]$/);
    expect(policy).toMatchObject({ live: '{"any":true}' });
    expect(policy?.source).toMatch(/^proto\/acme\/shelf\/v1\/shelf_service\.proto:\d+$/);
    const budgets = findings.filter(({ workload }) => workload !== 'shelf').flatMap(({ differences }) => differences);
    expect(budgets.length).toBeGreaterThan(0);
    for (const budget of budgets) expect(budget).toMatchObject({ live: '80' });
  });
});

test.each([
  [[], 'say which mesh: `weft check --against <folder>`'],
  [['--against', '.', '--port', '80'], '--port 80 is not as 8080=18080'],
  [['--against', '.', '--topology', 'lokal'], 'there is no topology "lokal"'],
])('%j is no question', async (argv, says) => {
  const { status, stderr } = await repository.weft('check', ...argv);
  expect(status).toBe(2);
  expect(stderr).toContain(says);
});

test('a folder in which nothing runs is told so', async () => {
  const { status, stdout } = await repository.weft('check', '--against', repository.folder);
  expect(status).toBe(1);
  expect(stdout).toContain('0 of 3 Envoys have what the contract compiles to.');
});
