/** The generated rules, in the hands of Prometheus: they load, and they fire when a promise is broken and not before. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { goTool, run } from '../../test/e2e/go-tools.ts';
import { compile, understand } from '../src/compile.ts';
import type { Contract } from '../src/contract/contract.ts';
import { exampleContract, ownContract } from './support/contract-under-test.ts';
import { ruleTests, slowRuleTests } from './support/rule-tests.ts';

const committed = fileURLToPath(new URL('../../gen/prometheus', import.meta.url));
let folder: string;
let promtool: string | undefined;
let lack = 'there is no Go to build promtool';
/** Building it takes minutes where it was never built. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-rules-'));
  try {
    promtool = await goTool('promtool');
  } catch (error) {
    lack = `promtool cannot be built here: ${String(error).slice(0, 500)}`;
  }
}, 1_200_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What promtool says when it agrees; throws with what it says when it does not. */
async function ask(...args: string[]): Promise<string> {
  try {
    return (await run(promtool ?? '', args, { maxBuffer: 64 * 1024 * 1024 })).stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`${stdout}${stderr}`.slice(0, 3000));
  }
}

const write = (name: string, content: string): string => {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
};

const understood = ({ registry, files }: ReturnType<typeof exampleContract>): Contract =>
  understand({ registry, files, sourceRoot: 'protos', topologies: [] }).contract;

/** The first RPC of each pair of shares that are promised: Prometheus takes its time for days of many. */
function onePerPromise({ workloads, methods }: Contract): Contract {
  const seen = new Set<string>();
  const first = [...methods].filter(([, { objective }]) => {
    const promise = `${objective?.availabilityPpm} ${objective?.latencyPpm}`;
    if (objective === undefined || seen.has(promise)) return false;
    seen.add(promise);
    return true;
  });
  return { workloads, methods: new Map(first) };
}

/** The groups of rules of these RPCs alone, as files. */
function rulesOf({ methods }: Contract, files: readonly string[], name: string): string[] {
  return files.flatMap((file, index) => {
    const { groups }: { groups: { name: string }[] } = parse(readFileSync(file, 'utf8'));
    const kept = groups.filter((group) => methods.has(group.name.split(' ')[0] ?? ''));
    return kept.length === 0 ? [] : [write(`few/${name}/${index}.yaml`, JSON.stringify({ groups: kept }))];
  });
}

/** The example's rules as they are now, the repository's as they are committed. */
const cases: readonly [name: string, prepare: () => { files: string[]; contract: Contract }][] = [
  [
    'the example',
    () => {
      const { registry, files, ...rest } = exampleContract();
      const outputs = compile({ registry, files, sourceRoot: 'protos', topologies: [], alerts: 'rules' });
      return {
        files: outputs.map(({ name, content }) => write(name, content)),
        contract: understood({ registry, files, ...rest }),
      };
    },
  ],
  [
    'gen/prometheus',
    () => {
      const names = readdirSync(committed, { recursive: true, encoding: 'utf8' }).filter((name) =>
        name.endsWith('.yaml'),
      );
      return { files: names.map((name) => join(committed, name)), contract: understood(ownContract()) };
    },
  ],
];

describe.each(cases)('the rules of %s', (name, prepare) => {
  let files: string[];
  let contract: Contract;
  beforeAll(() => {
    ({ files, contract } = prepare());
  }, 120_000);

  test('load', async ({ skip }) => {
    if (promtool === undefined) return skip(lack);
    expect(files.length).toBeGreaterThan(1);
    await ask('check', 'rules', '--lint=all', '--lint-fatal', ...files);
  });

  test('page and open tickets as fast as the contract wants it, and not for less', { timeout: 300_000 }, async ({
    skip,
  }) => {
    if (promtool === undefined) return skip(lack);
    const few = onePerPromise(contract);
    const rules = rulesOf(few, files, name);
    const tests = write(`${name.replace('/', '-')}.test.json`, ruleTests(rules, few));
    const slow = write(`${name.replace('/', '-')}.slow.test.json`, slowRuleTests(rules, few));
    await ask('test', 'rules', tests, slow);
  });

  test('page for each RPC that promises something when nobody answers it', { timeout: 300_000 }, async ({ skip }) => {
    if (promtool === undefined) return skip(lack);
    const tests = write(`${name.replace('/', '-')}.outage.test.json`, ruleTests(files, contract));
    await ask('test', 'rules', '--run', 'an outage', tests);
  });

  test('and promtool would say so if they did not', { timeout: 300_000 }, async ({ skip }) => {
    if (promtool === undefined) return skip(lack);
    const deaf = files.map((file, index) =>
      write(`deaf/${name}/${index}.yaml`, readFileSync(file, 'utf8').replaceAll(/(ratio_1h\{[^}]*\} >) \S+/g, '$1 1')),
    );
    const tests = write(`${name.replace('/', '-')}.deaf.test.json`, ruleTests(deaf, contract));
    await expect(ask('test', 'rules', '--run', 'an outage', tests)).rejects.toThrow('FAILED');
  });
});

test('rules for the mesh fire on what they are for', async ({ skip }) => {
  if (promtool === undefined) return skip(lack);
  const { registry, files } = exampleContract();
  const outputs = compile({ registry, files, sourceRoot: 'protos', topologies: [], alerts: 'mesh' });
  const rules = outputs
    .filter(({ name }) => name === 'mesh/mesh.yaml')
    .map(({ name, content }) => write(name, content));
  const shelf = { job: 'envoy', workload: 'shelf', instance: 'shelf-1' };
  const rpc = 'acme.shelf.v1.ShelfService.CountBooks';
  const selector = (labels: object) => `{${Object.entries(labels).map(([key, value]) => `${key}="${value}"`)}}`;
  const scraped = ['edge', 'desk', 'shelf'].map((workload) => {
    return { series: `up${selector({ ...shelf, workload })}`, values: '1x60' };
  });
  const calls = { series: `envoy_cluster_grpc_total${selector({ ...shelf, weft_rpc: rpc })}`, values: '0+100x60' };
  const byCode = (grpc_code: string, values: string) => {
    return { series: `envoy_cluster_grpc${selector({ ...shelf, weft_rpc: rpc, grpc_code })}`, values };
  };
  const one = (alert: string, series: readonly { series: string; values: string }[], found: number) => ({
    name: `${alert} ${found}`,
    interval: '1m',
    input_series: series,
    promql_expr_test: [
      {
        expr: `count(ALERTS{alertstate="firing",alertname=~"${alert}"}) or vector(0)`,
        eval_time: '40m',
        exp_samples: [{ labels: '{}', value: found }],
      },
    ],
  });
  const counter = (metric: string, labels: object, values: string) => {
    return { series: `${metric}${selector({ ...shelf, ...labels })}`, values };
  };
  const tests = [
    one('.*', [...scraped, calls, byCode('8', '0+1x60'), byCode('4', '0+1x60')], 0),
    one('CallsRefused', [calls, byCode('8', '0+10x60')], 1),
    one('DeadlinesExceeded', [calls, byCode('4', '0+10x60')], 1),
    one(
      'UsersRefused',
      [
        counter('envoy_limit_http_local_rate_limit_enforced', { workload: 'edge' }, '0+10x60'),
        counter('envoy_http_downstream_rq_total', { workload: 'edge', hcm: 'edge' }, '0+100x60'),
      ],
      1,
    ),
    one('WorkloadOverloaded', [counter('envoy_cluster_upstream_rq_active_overflow', { callee: 'app' }, '0+1x60')], 1),
    one('WorkloadOverloaded', [counter('envoy_cluster_upstream_rq_active_overflow', { callee: 'app' }, '5+0x60')], 0),
    one('UndeclaredCalls', [counter('envoy_http_rbac_denied', { hcm: 'inbound' }, '0x34 1x20')], 1),
    one('UndeclaredCalls', [counter('envoy_http_rbac_denied', { hcm: 'edge' }, '0x34 1x20')], 0),
    one(
      'RetryBudgetExhausted',
      [counter('envoy_cluster_upstream_rq_retry_overflow', { callee: 'shelf' }, '0+1x60')],
      1,
    ),
    one('CertificateExpires', [counter('envoy_server_days_until_first_cert_expiring', {}, '6x60')], 1),
    one('CertificateExpires', [counter('envoy_server_days_until_first_cert_expiring', {}, '1x60')], 2),
    one('CertificateExpires', [counter('envoy_server_days_until_first_cert_expiring', {}, '29x60')], 0),
    one('SidecarUnseen', scraped.slice(1), 1),
    one('SidecarUnseen', [...scraped.slice(1), counter('up', { workload: 'edge' }, '0x60')], 1),
  ];
  const file = write('mesh.test.json', JSON.stringify({ rule_files: rules, evaluation_interval: '1m', tests }));
  await ask('test', 'rules', file);
});
