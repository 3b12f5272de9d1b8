/** What the rules for Prometheus say: which RPCs get which, from where, above which share; and that they say it the same way again. */
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { threshold } from '../src/alerts/burn-rate.ts';
import type { OutputFile } from '../src/output.ts';
import { compileProtos, testFolder } from './support/compile.ts';

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

const shelf = 'acme.shelf.v1.ShelfService';
const generate = (): OutputFile[] => compileProtos(`${testFolder}protos`, { alerts: 'rules' });
let files: OutputFile[];
beforeAll(() => {
  files = generate();
}, 60_000);

const text = (name: string): string => files.find((file) => file.name === `rules/${name}`)?.content ?? '';
const rulesIn = (name: string): Rule[] => parse(text(name)).groups.flatMap((group: { rules: Rule[] }) => group.rules);
const alertsOf = (rpc: string): Rule[] =>
  rulesIn('objectives/shelf.yaml').filter(({ alert, labels }) => alert && labels.weft_rpc === `${shelf}.${rpc}`);

test('one file for the mesh, one for each workload that promises something; the same bytes again', () => {
  expect(files.map(({ name }) => name)).toEqual(['rules/mesh.yaml', 'rules/objectives/shelf.yaml']);
  expect(generate()).toEqual(files);
});

test('before each rule of an objective stands its line in the contract', () => {
  const lines = text('objectives/shelf.yaml').split('\n');
  const rules = lines.flatMap((line, index) => (/^ +- (record|alert):/.test(line) ? [lines[index - 1]] : []));
  expect(rules.length).toBe(rulesIn('objectives/shelf.yaml').length);
  for (const before of rules) expect(before).toMatch(/# protos\/acme\/shelf\/v1\/shelf_service\.proto:\d+(:|$)/);
});

describe('an objective', () => {
  test('of availability and latency: two pages and two tickets each', () => {
    const found = alertsOf('GetBook').map(({ alert, labels }) => [alert, labels.severity, labels.window].join(' '));
    expect(found).toEqual([
      'AvailabilityBudgetBurns page 1h',
      'AvailabilityBudgetBurns page 6h',
      'LatencyBudgetBurns page 1h',
      'LatencyBudgetBurns page 6h',
      'AvailabilityBudgetBurns ticket 1d',
      'AvailabilityBudgetBurns ticket 3d',
      'LatencyBudgetBurns ticket 1d',
      'LatencyBudgetBurns ticket 3d',
    ]);
  });

  test('is watched over a long window and a short one, above the workbook’s share', () => {
    const exprs = alertsOf('GetBook')
      .filter(({ alert }) => alert === 'AvailabilityBudgetBurns')
      .map(({ expr }) =>
        [...expr.matchAll(/ratio_(\w+)\{[^}]*\} > (\S+)/g)].map(([, window, share]) => [window, share]),
      );
    expect(exprs).toEqual([
      [
        ['1h', '0.0144'],
        ['5m', '0.0144'],
      ],
      [
        ['6h', '0.006'],
        ['30m', '0.006'],
      ],
      [
        ['1d', '0.003'],
        ['2h', '0.003'],
      ],
      [
        ['3d', '0.001'],
        ['6h', '0.001'],
      ],
    ]);
  });

  test('of a stream has no latency', () => {
    expect(new Set(alertsOf('WatchBooks').map(({ alert }) => alert))).toEqual(new Set(['AvailabilityBudgetBurns']));
    expect(
      rulesIn('objectives/shelf.yaml').filter(
        ({ record, labels }) => record?.includes('slow') && labels.weft_rpc?.endsWith('WatchBooks'),
      ),
    ).toEqual([]);
  });

  test('that an RPC lacks gives it nothing', () => {
    for (const rpc of ['CountBooks', 'BurnBook', 'BrowseBooks'])
      expect(text('objectives/shelf.yaml')).not.toContain(rpc);
  });

  test('is measured at the bucket that it names', () => {
    expect(text('objectives/shelf.yaml')).toContain(`{weft_rpc="${shelf}.GetBook",le="250"}`);
    expect(text('objectives/shelf.yaml')).toContain(`{weft_rpc="${shelf}.LendBook",le="500"}`);
  });

  test('tells who is called what to do', () => {
    for (const { annotations } of [...rulesIn('objectives/shelf.yaml'), ...rulesIn('mesh.yaml')].filter(
      (r) => r.alert,
    )) {
      expect(annotations?.summary).toMatch(/.{20}/);
      expect(annotations?.description).toMatch(/\.$/);
      expect(annotations?.runbook).toMatch(/^1\. .+ 2\. /);
    }
  });
});

describe('the share above which an alert fires', () => {
  test.each([
    [999_000, 14.4, 0.0144],
    [999_900, 6, 0.0006],
    [1_000_000, 14.4, 0],
    // 14.4 times a tenth would be more than all calls.
    [900_000, 14.4, 0.55],
    [1, 1, 0.999999],
  ])('%d parts per million, %d times', (ppm, factor, share) => {
    expect(threshold(ppm, factor)).toBe(share);
    expect(threshold(ppm, factor)).toBeLessThan(1);
  });
});

test('the mesh misses the sidecar of every workload, and of the edge', () => {
  const unseen = rulesIn('mesh.yaml').filter(({ alert }) => alert === 'SidecarUnseen');
  expect(unseen.map(({ labels }) => labels.workload)).toEqual(['desk', 'shelf', 'edge']);
});
