/** What the compiler refuses: each rule with contracts that break it, the line that it names, and contracts that keep it. */
import type { DescFile, FileRegistry } from '@bufbuild/protobuf';
import { beforeAll, describe, expect, test } from 'vitest';
import { ContractError, compile } from '../src/compile.ts';
import type { Problem } from '../src/contract/problem.ts';
import { describeProtos } from './support/compile.ts';
import {
  chain,
  here,
  last,
  messages,
  middle,
  ok,
  publicOk,
  rpc,
  safe,
  safeRpc,
  service,
  streamOk,
  streamRpc,
  there,
  twoServices,
} from './support/contract-texts.ts';

/** `!` at the end of a line marks where the problem is expected. */
interface Case {
  readonly rule: string;
  readonly name: string;
  readonly text: string;
  readonly says: string | RegExp;
  /** Another rule that what breaks this one cannot keep. */
  readonly alsoBreaks?: string;
}

const broken = (rule: string, name: string, text: string, says: string | RegExp): Case => ({ rule, name, text, says });

const brokenCases: Case[] = [
  broken('service-policy', 'a service without policy', `service HereService { !\n${rpc(ok)}\n}`, 'has no policy'),
  broken(
    'method-policy',
    'an RPC without policy',
    service('rpc Do(Request) returns (Response); !'),
    'HereService/Do has no policy',
  ),
  broken(
    'workload-name',
    'no workload',
    `service HereService { option (weft.mesh.v1.service) = { !\n};\n${rpc(ok)}\n}`,
    '""',
  ),
  ...['Here', 'here_there', '-here', 'edge', 'app', 'otlp', 'a'.repeat(33)].map((workload) =>
    broken(
      'workload-name',
      `workload "${workload}"`,
      `${service(rpc(ok), 'Here', workload).replace('\n', ' !\n')}`,
      workload,
    ),
  ),
  broken(
    'range',
    'too many concurrent requests',
    `service HereService { option (weft.mesh.v1.service) = {workload: "here"\nmax_concurrent_requests: 10001 !\n};\n${rpc(ok)}\n}`,
    '10,001. Choose a value from 1 to 10,000',
  ),
  broken(
    'range',
    'an ejection for too long',
    `service HereService { option (weft.mesh.v1.service) = {workload: "here"\noutlier_ejection: {base_ejection_time: {seconds: 301}} !\n};\n${rpc(ok)}\n}`,
    'outlier_ejection.base_ejection_time',
  ),
  broken(
    'outlier-ejection',
    'stated twice for one workload',
    ['A', 'B']
      .map((name) => {
        const mark = name === 'B' ? ' !' : '';
        return `service ${name}Service { option (weft.mesh.v1.service) = {workload: "here"\noutlier_ejection: {consecutive_failures: 3}${mark}\n};\n${rpc(ok)}\n}`;
      })
      .join('\n'),
    'AService states outlier_ejection',
  ),
  broken(
    'deadline',
    'a unary RPC without deadline',
    service(
      `rpc Do(Request) returns (Response) {\noption (weft.mesh.v1.method) = { !\nexposure: EXPOSURE_INTERNAL}; }`,
    ),
    'has no deadline',
  ),
  broken(
    'deadline',
    'a unary RPC with stream limits',
    service(rpc(`${ok}\nstream: {idle_timeout: {seconds: 1} max_duration: {seconds: 2}} !`)),
    'stream limits',
  ),
  ...['{seconds: 0}', '{seconds: -1}', '{seconds: 301}', '{nanos: 100}'].map((value) =>
    broken(
      'range',
      `deadline ${value}`,
      service(rpc(`deadline: ${value} !\nexposure: EXPOSURE_INTERNAL`)),
      'deadline is',
    ),
  ),
  broken(
    'stream-limits',
    'a stream with a deadline',
    service(streamRpc(`deadline: {seconds: 1} !\n${streamOk}`)),
    'has a deadline',
  ),
  broken(
    'stream-limits',
    'a stream without limits',
    service(streamRpc('exposure: EXPOSURE_INTERNAL').replace('= {', '= { !')),
    'lacks stream limits',
  ),
  broken(
    'stream-limits',
    'a stream with half of its limits',
    service(streamRpc('stream: {idle_timeout: {seconds: 1}} !\nexposure: EXPOSURE_INTERNAL')),
    'lacks stream limits',
  ),
  broken(
    'stream-limits',
    'idle for longer than it lives',
    service(
      streamRpc('stream: {\nidle_timeout: {seconds: 9} !\nmax_duration: {seconds: 8}} exposure: EXPOSURE_INTERNAL'),
    ),
    'longer than max_duration',
  ),
  broken(
    'unsafe-retry',
    'a retry of what is neither idempotent nor has a request id',
    service(rpc(`${ok}\nretry: {max_attempts: 2} !`)),
    'neither idempotent nor has a required request_id',
  ),
  broken(
    'unsafe-retry',
    'a retry with an optional request id',
    service(rpc(`${ok}\nretry: {max_attempts: 2} !`, 'Do', '(OptionalId) returns (Response)')),
    'request_id',
  ),
  ...['AbsentId', 'ChosenId', 'IgnoredId', 'FlagId'].map((request) =>
    broken(
      'unsafe-retry',
      `a retry with a request id that validation lets pass: ${request}`,
      service(rpc(`${ok}\nretry: {max_attempts: 2} !`, 'Do', `(${request}) returns (Response)`)),
      'request_id',
    ),
  ),
  ...['0', '1', '5'].map((attempts) =>
    broken(
      'range',
      `${attempts} attempts`,
      service(safeRpc(`${ok}\nretry: {max_attempts: ${attempts}} !`)),
      'retry.max_attempts',
    ),
  ),
  broken(
    'retry-code',
    'an unspecified retry code',
    service(safeRpc(`${ok}\nretry: {max_attempts: 2\ncodes: RETRY_CODE_UNSPECIFIED} !`)),
    'no code that Envoy can retry',
  ),
  broken(
    'retry-code',
    'a retry code twice',
    service(safeRpc(`${ok}\nretry: {max_attempts: 2 codes: RETRY_CODE_INTERNAL\ncodes: RETRY_CODE_INTERNAL} !`)),
    'twice',
  ),
  broken(
    'retry-code',
    'DEADLINE_EXCEEDED without per-try timeout',
    service(safeRpc(`${ok}\nretry: {max_attempts: 2 codes: RETRY_CODE_DEADLINE_EXCEEDED} !`)),
    'without per_try_timeout',
  ),
  broken(
    'per-try-timeout',
    'a try longer than the deadline',
    service(safeRpc(`${ok}\nretry: {max_attempts: 2 per_try_timeout: {seconds: 2}} !`)),
    'longer than the deadline',
  ),
  broken(
    'per-try-timeout',
    'a per-try timeout on a stream',
    service(
      streamRpc(`${streamOk}\nretry: {max_attempts: 2 per_try_timeout: {seconds: 2}} !`).replace(
        '{ option',
        `{ ${safe} option`,
      ),
    ),
    'cut it off',
  ),
  broken('exposure', 'no exposure', service(rpc('deadline: {seconds: 1}').replace('= {', '= { !')), 'does not say who'),
  broken(
    'exposure',
    'an unspecified exposure',
    service(rpc('deadline: {seconds: 1}\nexposure: EXPOSURE_UNSPECIFIED !')),
    'does not say who',
  ),
  broken(
    'scopes',
    'AUTHENTICATED without scopes',
    service(rpc('deadline: {seconds: 1}\nexposure: EXPOSURE_AUTHENTICATED !')),
    'any token would do',
  ),
  broken('scopes', 'INTERNAL with scopes', service(rpc(`${ok}\nscopes: "a:read" !`)), 'nothing would check'),
  broken(
    'scopes',
    'a scope with a space',
    service(rpc('deadline: {seconds: 1} exposure: EXPOSURE_AUTHENTICATED scopes: "ok"\nscopes: "a b" !')),
    '"a b" is no scope',
  ),
  broken(
    'scopes',
    'a scope twice',
    service(rpc('deadline: {seconds: 1} exposure: EXPOSURE_AUTHENTICATED scopes: "ok"\nscopes: "ok" !')),
    'twice',
  ),
  broken(
    'public-rate-limit',
    'PUBLIC without rate limit',
    service(safeRpc('deadline: {seconds: 1}\nexposure: EXPOSURE_PUBLIC !')),
    'has no rate limit',
  ),
  broken(
    'public-mutation',
    'PUBLIC and not free of side effects',
    service(rpc(publicOk.replace(' exposure', '\nexposure').replace('PUBLIC ', 'PUBLIC !\n'))),
    'may change state',
  ),
  broken(
    'public-mutation',
    'a decision about nothing',
    service(safeRpc(`${publicOk}\npublic_mutation_decision: "why" !`)),
    'is no public mutation',
  ),
  broken(
    'range',
    'a rate of nothing',
    service(rpc(`${ok}\nrate_limit: {requests_per_second: 0 burst: 5} !`)),
    'rate_limit.requests_per_second',
  ),
  broken(
    'range',
    'a burst below the rate',
    service(rpc(`${ok}\nrate_limit: {requests_per_second: 5\nburst: 4} !`)),
    "less than one second's",
  ),
  broken(
    'range',
    'more than a million parts per million',
    service(rpc(`${ok}\nobjective: {availability_ppm: 1000001} !`)),
    'objective.availability_ppm',
  ),
  broken(
    'objective',
    'a latency without its share',
    service(rpc(`${ok}\nobjective: {availability_ppm: 1 latency: {nanos: 1000000}} !`)),
    'one thing together',
  ),
  broken(
    'objective',
    'a latency above the deadline',
    service(rpc(`${ok}\nobjective: {availability_ppm: 1 latency_ppm: 1 latency: {seconds: 2}} !`)),
    'above its deadline',
  ),
  broken(
    'objective',
    'a latency of a stream',
    service(streamRpc(`${streamOk}\nobjective: {availability_ppm: 1 latency_ppm: 1 latency: {seconds: 2}} !`)),
    'lasts as long as its caller wants',
  ),
  broken(
    'unknown-call',
    'a call of what does not exist',
    twoServices(`calls: {rpc: "${there}x"} !`, ''),
    /ThereService\/Dox, which does not exist\. Did you mean case\d+\.v1\.ThereService\/Do/,
  ),
  broken(
    'unknown-call',
    'a call written with a dot',
    twoServices(`calls: {rpc: "${there.replace('/', '.')}"} !`, ''),
    /Did you mean case\d+\.v1\.\w+Service\/Do/,
  ),
  broken('unknown-call', 'a call without a name', twoServices('calls: {} !', ''), 'an RPC without a name'),
  broken(
    'on-failure',
    'an answer to the failure of background work',
    twoServices(`calls: {rpc: "${there}" background: true on_failure: ON_FAILURE_DEGRADE} !`, ''),
    'nobody waits for an answer',
  ),
  broken(
    'own-call',
    'a call within the workload',
    service(`${rpc(`${ok}\ncalls: {rpc: "PACKAGE.HereService/Other"} !`)}\n${rpc(ok, 'Other')}`),
    'the same workload answers',
  ),
  broken(
    'repeated-call',
    'a call listed twice',
    twoServices(`calls: {rpc: "${there}"}\ncalls: {rpc: "${there}"} !`, '').replace(
      'deadline: {seconds: 1}',
      'deadline: {seconds: 2}',
    ),
    'twice',
  ),
  broken(
    'range',
    'a call made too often',
    twoServices(`calls: {rpc: "${there}" background: true max_times: 101} !`, ''),
    'max_times',
  ),
  broken(
    'circle',
    'RPCs that call each other',
    twoServices(`calls: {rpc: "${there}"} !`, `calls: {rpc: "${here}"}`),
    'in a circle',
  ),
  broken(
    'circle',
    'workloads that call each other',
    [
      service(`${rpc(`${ok}\ncalls: {rpc: "${there}"} !`)}\n${rpc(ok, 'Other')}`),
      service(`${rpc(ok)}\n${rpc(`${ok}\ncalls: {rpc: "PACKAGE.HereService/Other"}`, 'Back')}`, 'There', 'there'),
    ].join('\n'),
    'between workloads here -> there -> here',
  ),
  broken(
    'deadline-budget',
    'a deadline that callees may exceed',
    twoServices(`calls: {rpc: "${there}" max_times: 3}`, '').replace(
      'deadline: {seconds: 1}',
      'deadline: {seconds: 2} !\n',
    ),
    'promises 2 s, but its callees may take 3 s: Do 3 x 1 s.',
  ),
  broken(
    'deadline-budget',
    'callees at once, and one after them, told over the whole path',
    chain(
      'deadline: {seconds: 3} !\nexposure: EXPOSURE_INTERNAL',
      `deadline: {seconds: 2} exposure: EXPOSURE_INTERNAL\ncalls: {rpc: "${last}" parallel: true}`,
      ok,
      `calls: {rpc: "${last}" max_times: 2}\ncalls: {rpc: "${middle}" parallel: true}`,
    ),
    'may take 4 s: Do 2 x 1 s, at once Do 2 s (at once Do 1 s).',
  ),
  broken(
    'deadline-budget',
    'a stream that the caller waits for',
    [service(rpc(`deadline: {seconds: 2} !\nexposure: EXPOSURE_INTERNAL\ncalls: {rpc: "PACKAGE.ThereService/Watch"}`))]
      .concat(service(streamRpc(streamOk), 'There', 'there'))
      .join('\n'),
    'may take 1 min: Watch 1 min',
  ),
  broken(
    'retry-hops',
    'a retry at two hops, with one between',
    chain(`${ok}\nretry: {max_attempts: 2} !\n`, ok, `${ok} retry: {max_attempts: 2}`),
    /HereService\/Do \(2 tries\) -> .*MiddleService\/Do -> .*LastService\/Do \(2 tries\)\. Remove `retry` from one/,
  ),
  {
    ...broken(
      'tries-product',
      'a path of too many tries',
      chain(`${ok}\nretry: {max_attempts: 3} !\n`, ok, `${ok} retry: {max_attempts: 2}`),
      /One call of .*HereService\/Do may become 6 of .*LastService\/Do.* at most 4/,
    ),
    alsoBreaks: 'retry-hops',
  },
];

const goodCases: Readonly<Record<string, string>> = {
  'the least': service(rpc(ok)),
  'a stream': service(streamRpc(streamOk)),
  'an objective': service(rpc(`${ok} objective: {availability_ppm: 1 latency_ppm: 1 latency: {seconds: 1}}`)),
  'client streaming': service(rpc(streamOk, 'Import', '(stream Request) returns (Response)')),
  'a retry of what has no side effects': service(safeRpc(`${ok} retry: {max_attempts: 2}`)),
  'a retry of what is idempotent': service(
    safeRpc(`${ok} retry: {max_attempts: 4}`).replace('NO_SIDE_EFFECTS', 'IDEMPOTENT'),
  ),
  'a retry with a request id that is required': service(
    rpc(`${ok} retry: {max_attempts: 2}`, 'Do', '(RequiredId) returns (Response)'),
  ),
  'a retry with a request id of some length': service(
    rpc(`${ok} retry: {max_attempts: 2}`, 'Do', '(LongId) returns (Response)'),
  ),
  'a retry with a request id that is a UUID': service(
    rpc(`${ok} retry: {max_attempts: 2}`, 'Do', '(UuidId) returns (Response)'),
  ),
  'all retry codes': service(
    safeRpc(
      `${ok} retry: {max_attempts: 2 per_try_timeout: {nanos: 300000000} codes: [RETRY_CODE_UNAVAILABLE, RETRY_CODE_CANCELLED, RETRY_CODE_DEADLINE_EXCEEDED, RETRY_CODE_INTERNAL]}`,
    ),
  ),
  'PUBLIC without side effects': service(safeRpc(publicOk)),
  'a public mutation with its decision': service(rpc(`${publicOk} public_mutation_decision: "Guests may do this."`)),
  'one of two scopes': service(
    rpc('deadline: {seconds: 1} exposure: EXPOSURE_AUTHENTICATED scopes: ["a:read", "b.write_all-x"]'),
  ),
  'calls within the deadline': twoServices(`calls: {rpc: "${there}"}`, ''),
  'an answer without a callee that fails': twoServices(`calls: {rpc: "${there}" on_failure: ON_FAILURE_DEGRADE}`, ''),
  'parallel calls count once': twoServices(`calls: {rpc: "${there}" max_times: 50 parallel: true}`, ''),
  'background calls count nothing': twoServices(`calls: {rpc: "${there}" max_times: 50 background: true}`, ''),
  'a retry at one hop of a path': chain(`${ok} retry: {max_attempts: 4}`, ok, ok),
  'a retried call in the background of a retried one': chain(
    `${ok} retry: {max_attempts: 3}`,
    ok,
    `${ok} retry: {max_attempts: 3}`,
    `calls: {rpc: "${last}" background: true}`,
  ),
  'a service without RPCs': service(''),
};

const head = (name: string): string =>
  `syntax = "proto3"; package ${name}; import "buf/validate/validate.proto"; import "weft/mesh/v1/options.proto";\n`;

const texts = [...brokenCases.map(({ text }) => text), ...Object.values(goodCases)];
const packageOf = (index: number): string => `case${index}.v1`;
const source = (index: number): string =>
  head(packageOf(index)) + (texts[index] ?? '').replaceAll('PACKAGE', packageOf(index)) + messages;
const mark = / !$/m;

let described: { registry: FileRegistry; files: DescFile[] };
beforeAll(() => {
  // One run of buf for all cases: each is a package of its own.
  described = describeProtos(
    Object.fromEntries(texts.map((_, index) => [`case${index}/v1/case.proto`, source(index).replace(mark, '')])),
  );
}, 60_000);

function problemsOf(index: number): readonly Problem[] {
  const files = described.files.filter(({ proto }) => proto.package === packageOf(index));
  expect(files).toHaveLength(1);
  try {
    compile({ registry: described.registry, files, sourceRoot: 'protos', topologies: [], policyTable: 'policy.ts' });
    return [];
  } catch (error) {
    if (error instanceof ContractError) return error.problems;
    throw error;
  }
}

describe('refused', () => {
  test.each(brokenCases.map((c, index) => ({ ...c, index })))('$rule: $name', ({ index, rule, says, alsoBreaks }) => {
    const problems = problemsOf(index);
    const line =
      source(index)
        .split('\n')
        .findIndex((text) => mark.test(text)) + 1;
    const found = problems.find((problem) => problem.rule === rule);
    expect(found, JSON.stringify(problems)).toBeDefined();
    expect(found?.at).toEqual({ file: `protos/case${index}/v1/case.proto`, line });
    expect(`${found?.message}. ${found?.mend}`).toMatch(says);
    expect(new Set(problems.map((problem) => problem.rule))).toEqual(
      new Set([rule, ...(alsoBreaks ? [alsoBreaks] : [])]),
    );
  });
});

describe('accepted', () => {
  test.each(Object.keys(goodCases).map((name, index) => ({ name, index })))('$name', ({ index }) => {
    expect(problemsOf(brokenCases.length + index)).toEqual([]);
  });
});

test('all problems are told at once, in the order of the source', () => {
  const text = service(
    `${rpc('exposure: EXPOSURE_PUBLIC')}\nrpc Bare(Request) returns (Response);\n${rpc(`${ok}\nscopes: "x"`, 'Third')}`,
  );
  const { registry, files } = describeProtos({ 'many.proto': head('many.v1') + text + messages });
  const attempt = () => compile({ registry, files, sourceRoot: '', topologies: [] });
  expect(attempt).toThrow(ContractError);
  const lines = (() => {
    try {
      attempt();
    } catch (error) {
      return String((error as Error).message).split('\n');
    }
    return [];
  })();
  expect(lines.map((line) => line.replace(/^many\.proto:(\d+): .*\[(.*)\]$/, '$1 $2'))).toEqual([
    '3 deadline',
    '4 public-rate-limit',
    '4 public-mutation',
    '6 method-policy',
    '9 scopes',
  ]);
});
