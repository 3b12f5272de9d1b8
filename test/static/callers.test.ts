/** A call that no contract declares does not compile: every workload with every RPC, asked of the type checker itself. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { connect } from '@weft/runtime/client/connect';
import type { MethodPolicy } from '@weft/runtime/policy';
import { afterAll, expect, test } from 'vitest';
import { root } from './support/sources.ts';

const table: Readonly<Record<string, MethodPolicy>> = policies;
const workloads = [...new Set(Object.values(table).map(({ workload }) => workload))];

// Inside of the checkout, so that imports are found as everywhere else.
mkdirSync(join(root, '.weft'), { recursive: true });
const folder = mkdtempSync(join(root, '.weft/callers-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** `GetItem` is `getItem` in TypeScript. */
const localName = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);
const fileOf = (service: string): string => {
  const folders = service.split('.');
  const name = folders.pop() ?? '';
  return `${folders.join('/')}/${name.replaceAll(/(?<=[a-z])[A-Z]/g, '_$&').toLowerCase()}_pb.js`;
};

test('what compiles is what is declared', () => {
  const services = [...new Set(Object.keys(table).map((rpc) => rpc.split('/')[0] ?? ''))];
  const alias = (service: string): string => service.replaceAll('.', '_');
  const head = [
    "import { policies } from '@weft/gen/weft/policy.ts';",
    "import { connect } from '@weft/runtime/client/connect';",
    ...services.map((service) => {
      const name = service.slice(service.lastIndexOf('.') + 1);
      return `import { ${name} as ${alias(service)} } from '@weft/gen/${fileOf(service)}';`;
    }),
    "const options = { egress: 'unix:sidecar.sock', policy: policies } as const;",
  ];
  const cases = workloads.flatMap((caller) => Object.keys(table).map((rpc) => ({ caller, rpc })));
  const lines = cases.map(({ caller, rpc }) => {
    const [service = '', name = ''] = rpc.split('/');
    return `connect(${alias(service)}, { ...options, caller: '${caller}' }).${localName(name)};`;
  });
  writeFileSync(join(folder, 'calls.ts'), [...head, ...lines].join('\n'));
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: join(root, 'tsconfig.json'), include: ['calls.ts'], exclude: [] }),
  );
  const checked = spawnSync('tsc', ['--noEmit', '--pretty', 'false', '-p', folder], { encoding: 'utf8', cwd: root });
  const refusals = [...checked.stdout.matchAll(/calls\.ts\((\d+),\d+\): error (TS\d+)/g)];
  // "Property does not exist", the second with a suggestion: nothing else may be wrong with the file.
  expect(refusals.filter(([, , code]) => code !== 'TS2339' && code !== 'TS2551')).toEqual([]);
  const refused = new Set(refusals.map(([, line]) => Number(line) - head.length - 1));

  const declared = cases.filter(({ caller, rpc }) =>
    Object.values(table).some((policy) => policy.workload === caller && policy.calls.some((call) => call.rpc === rpc)),
  );
  expect(declared.length).toBeGreaterThan(5);
  expect(cases.filter((_, index) => !refused.has(index))).toEqual(declared);
});

test('a caller that is none, or declares no call to the service, is refused at start', () => {
  const options = { egress: 'unix:sidecar.sock', policy: policies as typeof table };
  expect(() => connect(ItemService, { ...options, caller: 'inventry' })).toThrow('policy has no workload inventry');
  expect(() => connect(ItemService, { ...options, caller: 'console' })).toThrow(
    'no RPC of console lists one of weft.inventory.v1.ItemService in its calls',
  );
});
