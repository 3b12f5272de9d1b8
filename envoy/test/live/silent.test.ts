/**
 * What `envoy --mode validate` passes over in silence is looked for in every generated bootstrap, by closed lists; and each look is
 * shown to find what it is for, on a spoilt copy. That what is written bites is shown on running Envoys: in the file that stands
 * beside each.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ensureCertificates } from '../../../dev/src/certificates.ts';
import { envoyBinary } from '../../../dev/src/envoy-binary.ts';
import { TokenMint } from '../../../dev/src/tokens.ts';
import { type ContractUnderTest, exampleContract, ownContract } from '../support/contract-under-test.ts';
import { bootstrapsOf } from '../support/live-mesh.ts';

type Node = { readonly [key: string]: unknown };

/** https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter, as far as anything here may be meant. */
const retryTokens = new Set([
  ...['connect-failure', 'refused-stream', 'reset', 'reset-before-request', 'retriable-status-codes'],
  ...['cancelled', 'deadline-exceeded', 'internal', 'unavailable'],
]);
const builtin = /^\/grpc\.(health|reflection)\.v1(alpha)?\.\w+\/\w+$/;

/** What generated expressions ask of a request; an attribute that Envoy does not know is empty, and nothing more. */
const attributes = new Set(['connection.uri_san_peer_certificate', 'response.code_details', 'request.headers']);
const attributesIn = (expression: string): string[] =>
  expression
    .replaceAll(/'[^']*'/g, '')
    .match(/(?:connection|request|response|metadata|upstream|filter_state|xds)\.\w+/g) ?? [];

/** All mappings below `node`, itself included. */
function* mappings(node: unknown): Generator<Node> {
  if (Array.isArray(node)) for (const one of node) yield* mappings(one);
  else if (node !== null && typeof node === 'object') {
    yield node as Node;
    for (const one of Object.values(node)) yield* mappings(one);
  }
}

const valuesOf = (node: unknown, key: string): unknown[] =>
  [...mappings(node)].flatMap((mapping) => (key in mapping ? [mapping[key]] : []));

/** Everything in a bootstrap that Envoy would take without a word and not do. */
function silentFaults(text: string, contract: ContractUnderTest): string[] {
  const root: unknown = parse(text);
  const faults: string[] = [];
  for (const tokens of valuesOf(root, 'retry_on')) {
    for (const token of String(tokens).split(',')) if (!retryTokens.has(token)) faults.push(`retry_on ${token}`);
  }
  for (const manager of mappings(root)) {
    if (!Array.isArray(manager.http_filters) || !('route_config' in manager)) continue;
    const names = new Set(manager.http_filters.map(({ name }: { name: string }) => name));
    for (const filters of valuesOf(manager.route_config, 'typed_per_filter_config')) {
      for (const name of Object.keys(filters as Node)) if (!names.has(name)) faults.push(`filter ${name}`);
    }
  }
  const paths = new Set(contract.rpcs.map(({ name }) => `/${name}`));
  for (const path of valuesOf(root, 'url_path')) {
    const exact = String((path as { path: { exact: string } }).path.exact);
    if (!paths.has(exact) && !builtin.test(exact)) faults.push(`path ${exact}`);
  }
  const ids = new Set(['edge', ...contract.workloads].map((workload) => `spiffe://weft.local/${workload}`));
  for (const mapping of mappings(root)) {
    const value = mapping.exact ?? mapping.value;
    if (typeof value === 'string' && /^spiffe|weft\.local\//.test(value) && !ids.has(value)) faults.push(`id ${value}`);
  }
  const { clusters } = (root as { static_resources: { clusters: { name: string }[] } }).static_resources;
  const known = new Set(clusters.map(({ name }) => name));
  const named = [
    ...valuesOf(root, 'cluster'),
    ...valuesOf(root, 'weighted_clusters').flatMap((one) => valuesOf(one, 'name')),
  ];
  const node = String((root as { node: { cluster: string } }).node.cluster);
  for (const cluster of named) if (cluster !== node && !known.has(String(cluster))) faults.push(`cluster ${cluster}`);
  for (const bucket of valuesOf(root, 'token_bucket')) {
    const { max_tokens: most, tokens_per_fill: fill } = bucket as { max_tokens: number; tokens_per_fill: number };
    if (!(most > 0 && fill > 0)) faults.push(`bucket ${most}`);
  }
  for (const expression of [...valuesOf(root, 'text'), ...valuesOf(root, 'expression')]) {
    for (const name of attributesIn(String(expression))) if (!attributes.has(name)) faults.push(`attribute ${name}`);
  }
  return faults;
}

describe.each([exampleContract, ownContract].map((of) => [of().name, of] as const))('%s', (_, of) => {
  const contract = of();
  const bootstraps = bootstrapsOf(contract);
  let state: string;
  beforeAll(async () => {
    state = mkdtempSync(join(tmpdir(), 'weft-silent-'));
    for (const folder of ['run', 'logs']) mkdirSync(join(state, folder));
    await ensureCertificates(state, ['edge', ...contract.workloads]);
    await TokenMint.open(state);
  });
  afterAll(() => rmSync(state, { recursive: true, force: true }));

  test.each([...bootstraps.keys()])('nothing silent in the bootstrap of %s', (workload) => {
    expect(silentFaults(bootstraps.get(workload) ?? '', contract)).toEqual([]);
  });

  test.each([
    ['a retry token', 'retries.test.ts', /refused-stream/, 'refused-steam'],
    [
      'a retry code that Envoy lacks',
      'retries.test.ts',
      /retry_on: "?connect-failure/,
      'retry_on: aborted,connect-failure',
    ],
    [
      'a key of a filter',
      'limits.test.ts',
      /(?<!name: )envoy\.filters\.http\.local_ratelimit:/,
      'envoy.filters.http.ratelimit:',
    ],
    ['a path without a slash', 'matrix.test.ts', /url_path: \{path: \{exact: \//, 'url_path: {path: {exact: '],
    ['an identity', 'matrix.test.ts', /exact: "?spiffe:\/\/weft\.local\//, (found: string) => `${found}x`],
    ['a cluster', 'observe.test.ts', /cluster: otlp/, 'cluster: oltp'],
    ['a bucket', 'limits.test.ts', /max_tokens: \d+/, 'max_tokens: 0'],
    ['an attribute', 'limits.test.ts', /connection\.uri_san_peer_certificate/, 'connection.uri_san_peer'],
  ])('%s that is spoilt passes Envoy, and is found here (%s)', async (_name, bites, pattern, spoilt) => {
    expect(existsSync(fileURLToPath(new URL(bites, import.meta.url)))).toBe(true);
    const found = [...bootstraps.values()].filter((text) => pattern.test(text));
    expect(found).not.toEqual([]);
    const copies = found.map((text) => text.replace(pattern, spoilt as string));
    for (const copy of copies) expect(silentFaults(copy, contract)).not.toEqual([]);
    writeFileSync(join(state, 'spoilt.yaml'), copies[0] ?? '');
    const envoy = spawnSync(await envoyBinary(), ['--mode', 'validate', '-c', 'spoilt.yaml'], {
      cwd: state,
      encoding: 'utf8',
    });
    expect(envoy.status, envoy.stderr).toBe(0);
  });
});
