/**
 * What `envoy --mode validate` lets pass cannot be written: each mistake is made in a copy of a generated bootstrap, Envoy takes it, and
 * the closed lists find it. That the policies behind them bite is shown on running Envoys, each in the file that is named here.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ensureCertificates } from '../../dev/src/certificates.ts';
import { envoyBinary } from '../../dev/src/envoy-binary.ts';
import { TokenMint } from '../../dev/src/tokens.ts';
import { type KnownNames, offTheLists } from './support/closed-lists.ts';
import { testFolder } from './support/compile.ts';
import { type ContractUnderTest, exampleContract, ownContract } from './support/contract-under-test.ts';
import { bootstrapsOf } from './support/live-mesh.ts';

const run = promisify(execFile);
let state: string;
let binary: string;
let example: ContractUnderTest;
let own: ContractUnderTest;

beforeAll(async () => {
  [example, own] = [exampleContract(), ownContract()];
  state = mkdtempSync(join(tmpdir(), 'weft-silent-'));
  for (const folder of ['run', 'logs']) mkdirSync(join(state, folder));
  await ensureCertificates(state, ['edge', ...example.workloads]);
  await TokenMint.open(state);
  binary = await envoyBinary();
}, 120_000);
afterAll(() => rmSync(state, { recursive: true, force: true }));

const knownOf = ({ rpcs, workloads }: ContractUnderTest): KnownNames => ({
  rpcs: new Set(rpcs.map(({ name }) => name)),
  workloads: new Set(workloads),
});

test.each([
  ['the example', () => example],
  ['this repository', () => own],
])('everything in the bootstraps of %s is on the lists', (_, contract) => {
  const bootstraps = bootstrapsOf(contract());
  expect(bootstraps.size).toBeGreaterThan(2);
  for (const [workload, text] of bootstraps) {
    expect(offTheLists(parse(text), knownOf(contract())), workload).toEqual([]);
  }
});

interface Mistake {
  readonly name: string;
  readonly workload: 'edge' | 'desk' | 'shelf';
  readonly from: string | RegExp;
  readonly to: string;
  readonly found: string | RegExp;
  /** The test on running Envoys that shows what is lost with it. */
  readonly bites: string;
}

const mistakes: Mistake[] = [
  {
    name: 'a misspelt token of retry_on',
    workload: 'desk',
    from: 'reset,unavailable',
    to: 'reset,unavailble',
    found: 'unavailble is no token of retry_on',
    bites: 'live/retries.test.ts',
  },
  {
    name: 'a retry code that Envoy does not have',
    workload: 'desk',
    from: 'reset,unavailable',
    to: 'reset,aborted',
    found: 'aborted is no token of retry_on',
    bites: 'live/retries.test.ts',
  },
  {
    name: 'a misspelt key of typed_per_filter_config',
    workload: 'edge',
    from: 'envoy.filters.http.local_ratelimit:',
    to: 'envoy.filters.http.local_rate_limit:',
    found: 'envoy.filters.http.local_rate_limit is no filter here',
    bites: 'live/limits.test.ts',
  },
  {
    name: 'an unknown CEL attribute',
    workload: 'shelf',
    from: 'text: connection.uri_san_peer_certificate',
    to: 'text: connection.uri_san_of_peer',
    found: 'connection.uri_san_of_peer is no attribute',
    bites: 'live/limits.test.ts',
  },
  {
    name: 'an RBAC path without its slash',
    workload: 'shelf',
    from: 'url_path: {path: {exact: /acme',
    to: 'url_path: {path: {exact: acme',
    found: /acme\.shelf\.v1\.ShelfService\/\w+ is no path of an RPC/,
    bites: 'live/matrix.test.ts',
  },
  {
    name: 'an RBAC path of an RPC that there is not',
    workload: 'shelf',
    from: 'exact: /acme.shelf.v1.ShelfService/GetBook',
    to: 'exact: /acme.shelf.v1.ShelfService/GetBooks',
    found: 'GetBooks is no path of an RPC',
    bites: 'live/matrix.test.ts',
  },
  {
    name: 'a misspelt SPIFFE id',
    workload: 'shelf',
    from: /principal_name: \{exact: spiffe:\/\/weft\.local\/desk/,
    to: 'principal_name: {exact: spiffe://weft.local/dask',
    found: 'spiffe://weft.local/dask is nobody of the contract',
    bites: 'live/matrix.test.ts',
  },
  {
    name: 'a SPIFFE id with one slash',
    workload: 'shelf',
    from: /principal_name: \{exact: spiffe:\/\/weft\.local\/desk/,
    to: 'principal_name: {exact: spiffe:/weft.local/desk',
    found: 'spiffe:/weft.local/desk is nobody of the contract',
    bites: 'live/matrix.test.ts',
  },
  {
    name: 'a collector of traces that there is not',
    workload: 'shelf',
    from: 'cluster: otlp',
    to: 'cluster: oltp',
    found: 'there is no cluster oltp',
    bites: 'live/observe.test.ts',
  },
  {
    name: 'a bucket that holds nothing',
    workload: 'edge',
    from: /max_tokens: \d+/,
    to: 'max_tokens: 0',
    found: 'max_tokens is 0',
    bites: 'live/limits.test.ts',
  },
];

describe('a mistake that Envoy takes', () => {
  test.each(mistakes)('$name', async ({ workload, from, to, found, bites }) => {
    const good = bootstrapsOf(example).get(workload) ?? '';
    const spoilt = good.replace(from, to);
    expect(spoilt).not.toBe(good);

    writeFileSync(join(state, 'bootstrap.yaml'), spoilt);
    const args = ['--mode', 'validate', '-c', 'bootstrap.yaml', '--log-level', 'warning'];
    const { stdout } = await run(binary, args, { cwd: state });
    expect(stdout).toContain(' OK\n');

    const said = offTheLists(parse(spoilt), knownOf(example)).join('\n');
    if (typeof found === 'string') expect(said).toContain(found);
    else expect(said).toMatch(found);
    expect(existsSync(join(testFolder, bites)), bites).toBe(true);
    expect(readFileSync(join(testFolder, bites), 'utf8')).toContain('test(');
  });
});
