/** What rules and dashboards look at: real Envoys export it under these names, and it says of calls what happened to them. */
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { waitFor } from '../../../dev/src/wait.ts';
import { excusedCodes } from '../../src/alerts/selectors.ts';
import { metrics } from '../../src/blocks/statistics.ts';
import { compileProtos, testFolder } from '../support/compile.ts';
import { type ExampleMesh, startExampleMesh } from '../support/example-mesh.ts';
import type { GrpcClient } from '../support/grpc-client.ts';
import { isSelected, readSamples, type Sample, type Selector, selectorsOf, total } from '../support/prometheus.ts';

const shelf = 'acme.shelf.v1.ShelfService';
const workloads = ['edge', 'desk', 'shelf'] as const;
/** Statuses by the number of calls that should have them. */
const wanted: Readonly<Record<string, readonly number[]>> = {
  LendBook: [...Array(9).fill(0), 13, 13, 14, 5, 5, 5, 4],
  GetBook: [...Array(5).fill(0), 2, 5, 5, 14, 4],
};
let mesh: ExampleMesh;
/** All Envoys after the calls. */
let samples: Sample[];
/** All Envoys before the first call. */
let before: Sample[];

beforeAll(async () => {
  mesh = await startExampleMesh();
  before = await scrape();
  const desk = mesh.callerAtDesk();
  for (const status of wanted.LendBook ?? []) await callOverGrpc(desk, status);
  await Promise.all([callOverGrpc(desk, 0, 'hold:900'), callOverGrpc(desk, 0, 'hold:1')]);
  for (const status of wanted.GetBook ?? []) await callOverConnect('GetBook', status);
  const stranger = mesh.stranger();
  expect((await stranger.call({ rpc: `${shelf}/GetBook`, script: 'hang-first:1' })).status).toBe(0);
  samples = await waitFor('the histograms', counted, { withinMs: 20_000, everyMs: 250 });
}, 90_000);
afterAll(() => mesh?.stop());

/** What Prometheus gets, which asks without `usedonly`. */
async function scrape(): Promise<Sample[]> {
  const answers = workloads.map(async (workload) => {
    const { body } = await mesh.admin(workload, '/stats/prometheus');
    return readSamples(body, { job: 'envoy', workload });
  });
  return (await Promise.all(answers)).flat();
}

/**
 * Histograms lag behind counters by a flush of five seconds. The call that hangs may be answered or not: both sidecars end it at the
 * same time.
 */
async function counted(): Promise<Sample[] | undefined> {
  const now = await scrape();
  const answered = (rpc: string) => total(now, `${metrics.latencyMs}_count`, { weft_rpc: `${shelf}.${rpc}` });
  return answered('LendBook') >= 17 && answered('GetBook') >= 10 ? now : undefined;
}

const scriptFor = (status: number): string => ({ 0: '', 4: 'hang' })[status] ?? `fail-first:99:${status}`;

async function callOverGrpc(client: GrpcClient, status: number, script = scriptFor(status)): Promise<void> {
  expect((await client.call({ rpc: `${shelf}/LendBook`, script })).status).toBe(status);
}

/** Through the edge, as a browser calls. */
function callOverConnect(rpc: string, status: number): Promise<void> {
  const http: Readonly<Record<number, number>> = { 0: 200, 2: 500, 4: 504, 5: 404, 14: 503 };
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'connect-protocol-version': '1' };
    const call = request({ port: mesh.edgePort, path: `/${shelf}/${rpc}`, method: 'POST', headers }, (answer) => {
      answer.resume();
      answer.on('end', () => {
        if (answer.statusCode === http[status]) resolve();
        else reject(new Error(`${rpc} answered HTTP ${answer.statusCode} in place of ${http[status]}`));
      });
    });
    call.on('error', reject);
    call.end(JSON.stringify({ script: scriptFor(status) }));
  });
}

describe('every selector of the rules and dashboards finds series of a real Envoy', () => {
  const files = compileProtos(`${testFolder}protos`, { alerts: 'rules', dashboards: 'boards' });
  /** Labels that only appear once a call has ended so: any code stands for the others. */
  const anyCode = ({ metric, matchers }: Selector): Selector => ({
    metric,
    matchers: matchers.map((matcher) =>
      matcher.label === 'grpc_code' ? { label: 'grpc_code', operator: '=~', value: '\\d+' } : matcher,
    ),
  });
  const expressions = files.flatMap(({ name, content }) => {
    const found: string[] = [];
    JSON.stringify(parse(content), (key, value) => {
      if (key === 'expr') found.push(value);
      return value;
    });
    return found.map((expr) => ({ name, expr }));
  });
  /** What the test has not called, or not over Connect, may not be there: the RPC that it has stands for the others. */
  const called = ({ metric, matchers }: Selector): Selector => ({
    metric,
    matchers: matchers.map((matcher) =>
      matcher.label === 'weft_rpc' && (metric === metrics.connectClientErrors || !/(Get|Lend)Book$/.test(matcher.value))
        ? { ...matcher, value: `${shelf}.GetBook` }
        : matcher,
    ),
  });

  test('there are many', () => {
    expect(new Set(expressions.map(({ name }) => name)).size).toBe(4);
    expect(expressions.length).toBeGreaterThan(100);
  });

  test('and each finds some', () => {
    const selectors = expressions.flatMap(({ expr }) => selectorsOf(expr));
    const missing = selectors
      .map((selector) => called(anyCode(selector)))
      .filter((selector) => !samples.some((sample) => isSelected(sample, selector)));
    expect([...new Set(missing.map((selector) => JSON.stringify(selector)))]).toEqual([]);
    expect(new Set(selectors.map(({ metric }) => metric.replace(/_bucket$/, '')))).toEqual(
      new Set(Object.values(metrics)),
    );
  });

  test('what alerts compare with nothing is there before anything happened', () => {
    for (const metric of [metrics.denied, metrics.overload, metrics.retryOverflow, metrics.certificateDays]) {
      expect(before.map((sample) => sample.metric)).toContain(metric);
    }
  });
});

/** As the recording rule does, with counts in place of rates. */
function failedShareOf(rpc: string): number {
  const weft_rpc = `${shelf}.${rpc}`;
  const excused = Object.keys(excusedCodes).map((grpc_code) =>
    total(samples, metrics.callsByCode, { weft_rpc, grpc_code }),
  );
  const failed = total(samples, metrics.failures, { weft_rpc }) - excused.reduce((sum, count) => sum + count, 0);
  return (
    (failed - total(samples, metrics.connectClientErrors, { weft_rpc })) / total(samples, metrics.calls, { weft_rpc })
  );
}

describe('the share of failed calls is the one that was caused', () => {
  test('over gRPC between workloads: INTERNAL, UNAVAILABLE and DEADLINE_EXCEEDED, not NOT_FOUND', () => {
    expect(total(samples, metrics.calls, { weft_rpc: `${shelf}.LendBook` })).toBe(18);
    expect(failedShareOf('LendBook')).toBeCloseTo(4 / 18, 9);
  });

  test('over Connect through the edge: 500, 503 and 504, not 404', () => {
    expect(total(samples, metrics.calls, { weft_rpc: `${shelf}.GetBook` })).toBe(11);
    expect(failedShareOf('GetBook')).toBeCloseTo(3 / 11, 9);
  });
});

describe('the share of slow calls is the one that was caused', () => {
  const fast = (rpc: string, le: string, metric: string = metrics.latencyMs): number =>
    total(samples, `${metric}_bucket`, { weft_rpc: `${shelf}.${rpc}`, le });

  test('a call that took 900 ms, and one that nobody answered, are not among those within 500 ms', () => {
    expect(fast('LendBook', '500')).toBeGreaterThan(12);
    expect(fast('LendBook', '500')).toBeLessThanOrEqual(16);
  });

  test('a bucket ends at the promised 250 ms, for the RPC that promises it', () => {
    const ends = samples.filter(({ metric }) => metric === `${metrics.latencyMs}_bucket`);
    const exact = ends.filter(({ labels }) => labels.le === '250').map(({ labels }) => labels.weft_rpc);
    expect([...new Set(exact)]).toEqual([`${shelf}.GetBook`]);
  });

  test('the time of tries that failed counts, which grpc_stats leaves out', () => {
    expect(fast('GetBook', '250')).toBeGreaterThan(6);
    expect(fast('GetBook', '250')).toBeLessThanOrEqual(9);
    expect(fast('GetBook', '300', 'envoy_cluster_grpc_upstream_rq_time')).toBeGreaterThan(fast('GetBook', '300'));
  });
});

test('a refusal is counted where its alert looks', async () => {
  const after = async (metric: string, labels: Record<string, string>) => total(await scrape(), metric, labels);
  const identity = await mesh.identity('spiffe://weft.local/desk');
  await mesh.callerAs(identity).call({ rpc: `${shelf}/BurnBook` });
  expect(await after(metrics.denied, { hcm: 'inbound', workload: 'shelf' })).toBe(1);

  const stranger = mesh.stranger();
  for (let i = 0; i < 8; i += 1) await stranger.call({ rpc: `${shelf}/BrowseBooks` });
  expect(await after(metrics.rateLimited, { workload: 'edge' })).toBeGreaterThan(0);

  const desk = mesh.callerAtDesk();
  const many = Array.from({ length: 12 }, () => desk.call({ rpc: `${shelf}/LendBook`, script: 'hold:1000' }));
  const refused = (await Promise.all(many)).filter(({ status }) => status === 8).length;
  expect(refused).toBeGreaterThan(0);
  expect(await after(metrics.overload, { callee: 'app', workload: 'shelf' })).toBe(refused);
  // Over gRPC it has no HTTP status of its own, or it would be excused twice.
  expect(await after(metrics.connectClientErrors, { weft_rpc: `${shelf}.LendBook` })).toBe(0);
});
