/** `weft diff`: each kind of change in a repository of a stranger's, from the commit before it and back again. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Change, dangerOf, type Kind, kinds } from '../../src/diff/change.ts';
import { Repository } from './support/workspace.ts';

const shelf = 'proto/acme/shelf/v1/shelf_service.proto';
const desk = 'proto/acme/desk/v1/desk_service.proto';
const lobby = 'proto/acme/lobby/v1/lobby_service.proto';

let repository: Repository;
beforeAll(() => {
  repository = new Repository();
  git('init', '--quiet', '--initial-branch=main');
  commit('before');
});
afterAll(() => repository?.remove());

function git(...args: string[]): string {
  const author = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.com'];
  const { status, stdout, stderr } = spawnSync('git', [...author, ...args], {
    cwd: repository.folder,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`);
  return stdout;
}

function commit(message: string): void {
  git('add', '--all');
  git('commit', '--quiet', '--message', message);
}

/** Changes since `revision`, as data. */
async function changesSince(...revisions: string[]): Promise<{ status: number; changes: Change[] }> {
  const { status, stdout, stderr } = await repository.weft('diff', ...revisions, '--json');
  expect(stderr).toBe('');
  return { status, changes: JSON.parse(stdout) };
}

interface Case {
  readonly kind: Kind;
  /** The kind of the same change backwards. */
  readonly back: Kind;
  readonly path: string;
  readonly from: string;
  readonly to: string;
  readonly says: string;
}

const replaced = (kind: Kind, back: Kind, path: string, from: string, to: string, says: string): Case => {
  return { kind, back, path, from, to, says };
};

const burn = `      exposure: EXPOSURE_AUTHENTICATED
      scopes: ["books:burn"]`;
const enter = `      deadline: {seconds: 5}
      exposure: EXPOSURE_INTERNAL`;

const cases: Case[] = [
  replaced(
    'deadline-lowered',
    'deadline-raised',
    shelf,
    'deadline: {seconds: 1}',
    'deadline: {nanos: 500000000}',
    'its deadline is 500 ms, and was 1 s',
  ),
  replaced(
    'made-public',
    'exposure-narrowed',
    shelf,
    burn,
    '      exposure: EXPOSURE_PUBLIC\n      public_mutation_decision: "So it is."\n      rate_limit: {requests_per_second: 5}',
    'may be called by anyone, and was AUTHENTICATED',
  ),
  replaced(
    'made-reachable',
    'exposure-narrowed',
    lobby,
    enter,
    `      deadline: {seconds: 5}\n      exposure: EXPOSURE_AUTHENTICATED\n      scopes: ["lobby"]`,
    'from outside with lobby, and was INTERNAL',
  ),
  replaced(
    'scope-removed',
    'scope-added',
    desk,
    '        "books:order",\n',
    '',
    'no longer takes tokens that hold books:order alone',
  ),
  replaced(
    'caller-added',
    'caller-removed',
    lobby,
    enter,
    `${enter}\n      calls: {rpc: "acme.shelf.v1.ShelfService/LendBook"}`,
    'may be called by lobby (acme.lobby.v1.LobbyService/Enter)',
  ),
  replaced(
    'called-more-often',
    'called-less-often',
    desk,
    'calls: {rpc: "acme.shelf.v1.ShelfService/LendBook"}',
    'calls: {rpc: "acme.shelf.v1.ShelfService/LendBook" max_times: 2}',
    'up to 2 times by one acme.desk.v1.DeskService/OrderBook, and was up to 1',
  ),
  replaced(
    'degrades-now',
    'degrades-no-more',
    desk,
    'calls: {rpc: "acme.shelf.v1.ShelfService/LendBook"}',
    'calls: {rpc: "acme.shelf.v1.ShelfService/LendBook" on_failure: ON_FAILURE_DEGRADE}',
    'answers without acme.shelf.v1.ShelfService/LendBook',
  ),
  replaced(
    'became-retryable',
    'retry-reduced',
    shelf,
    'max_attempts: 3',
    'max_attempts: 4',
    'is tried up to 4 times, and was up to 3',
  ),
  replaced(
    'retry-reduced',
    'became-retryable',
    shelf,
    ',\n          RETRY_CODE_INTERNAL',
    '',
    'no longer tried again on INTERNAL',
  ),
  replaced(
    'try-changed',
    'try-changed',
    shelf,
    'nanos: 400000000',
    'nanos: 300000000',
    'one try may take 300 ms, and could take 400 ms',
  ),
  replaced(
    'stream-shortened',
    'stream-lengthened',
    shelf,
    'max_duration: {seconds: 2}',
    'max_duration: {seconds: 1}',
    'the longest life of its stream is 1 s, and was 2 s',
  ),
  replaced(
    'rate-raised',
    'rate-lowered',
    shelf,
    'rate_limit: {requests_per_second: 1000}',
    'rate_limit: {requests_per_second: 2000}',
    'is limited to 2000 a second, 2000 at once',
  ),
  replaced(
    'concurrency-lowered',
    'concurrency-raised',
    shelf,
    'max_concurrent_requests: 4',
    'max_concurrent_requests: 3',
    'works on 3 requests at once, and did on 4',
  ),
  replaced(
    'ejection-changed',
    'ejection-changed',
    shelf,
    'max_concurrent_requests: 4',
    'max_concurrent_requests: 4\n    outlier_ejection: {consecutive_failures: 9}',
    'other failures',
  ),
  replaced(
    'objective-raised',
    'objective-lowered',
    lobby,
    enter,
    `${enter}\n      objective: {availability_ppm: 999000}`,
    'has an objective',
  ),
  replaced(
    'became-repeatable',
    'not-repeatable',
    lobby,
    '    option (weft.mesh.v1.method)',
    '    option idempotency_level = IDEMPOTENT;\n    option (weft.mesh.v1.method)',
    'may be repeated by its callers',
  ),
  replaced(
    'rpc-added',
    'rpc-removed',
    lobby,
    '  rpc Enter',
    `  rpc Leave(EnterRequest) returns (EnterResponse) {\n    option (weft.mesh.v1.method) = {\n${enter}\n    };\n  }\n  rpc Enter`,
    'is new, inside of the mesh only',
  ),
  replaced(
    'door-added',
    'rpc-removed',
    lobby,
    '  rpc Enter',
    `  rpc Leave(EnterRequest) returns (EnterResponse) {\n    option (weft.mesh.v1.method) = {\n      deadline: {seconds: 5}\n      exposure: EXPOSURE_AUTHENTICATED\n      scopes: ["lobby"]\n    };\n  }\n  rpc Enter`,
    'may be called from outside by tokens with lobby',
  ),
  replaced(
    'rpc-moved',
    'rpc-moved',
    lobby,
    'workload: "lobby"',
    'workload: "hall"',
    'is answered by hall instead of lobby',
  ),
];

cases.push(
  replaced(
    'waited-for',
    'not-waited-for',
    desk,
    'rpc: "acme.shelf.v1.ShelfService/WatchBooks"\n        background: true',
    'rpc: "acme.shelf.v1.ShelfService/WatchBooks"',
    'is waited for by acme.desk.v1.DeskService/OrderBook',
  ),
  replaced(
    'changes-nothing',
    'may-change-state',
    lobby,
    '    option (weft.mesh.v1.method)',
    '    option idempotency_level = NO_SIDE_EFFECTS;\n    option (weft.mesh.v1.method)',
    'has no side effects',
  ),
);

describe('told, there and back', () => {
  test.each(cases)('$kind', async ({ kind, back, path, from, to, says }) => {
    repository.edit(path, from, to);
    try {
      const there = await changesSince('HEAD');
      const change = there.changes.find((one) => one.kind === kind);
      expect(change, JSON.stringify(there.changes)).toBeDefined();
      expect(change?.text).toContain(says);
      expect(repository.read(change?.at?.file ?? '').split('\n').length).toBeGreaterThanOrEqual(change?.at?.line ?? 0);
      expect(there.status).toBe({ neutral: 0, loosening: 3, breaking: 4 }[worst(there.changes)]);
      commit(kind);
      // From the new one to the old one, two commits against each other.
      const backwards = await changesSince('HEAD', 'HEAD~1');
      expect(backwards.changes.map((one) => one.kind)).toContain(back);
    } finally {
      git('reset', '--quiet', '--hard', git('rev-list', '--max-parents=0', 'HEAD').trim());
    }
  });
});

const worst = (changes: readonly Change[]) => {
  const found = changes.map(dangerOf);
  return (['breaking', 'loosening', 'neutral'] as const).find((danger) => found.includes(danger)) ?? 'neutral';
};

test('every kind of change is tried', () => {
  const tried = new Set(cases.flatMap(({ kind, back }) => [kind, back]));
  expect(Object.keys(kinds).filter((kind) => !tried.has(kind as Kind))).toEqual(['decision-reworded']);
});

test('nothing changed', async () => {
  expect(await repository.weft('diff', 'main')).toEqual({ status: 0, stdout: 'No promise changed.\n', stderr: '' });
});

test('changes are sorted by danger, and what a topology no longer tightens is one of them', async () => {
  repository.edit('topologies/tight.yaml', 'deadline_ms: 500', 'deadline_ms: 1500');
  repository.edit(shelf, 'max_attempts: 3', 'max_attempts: 2');
  repository.edit(lobby, enter, `${enter}\n      objective: {availability_ppm: 999000}`);
  const { status, stdout } = await repository.weft('diff', 'HEAD');
  git('checkout', '--quiet', '.');
  expect(status).toBe(4);
  expect(stdout.match(/^(breaking|loosening|neutral)$|\[.*\]$/gm)).toEqual([
    'breaking',
    '[retry-reduced]',
    'loosening',
    '[deadline-raised]',
    'neutral',
    '[objective-raised]',
  ]);
  expect(stdout).toMatch(/in the topology tight\n +topologies\/tight\.yaml:\d+ {2}\[deadline-raised\]/);
});

test('the index and the files of the user are left alone', async () => {
  repository.write('staged.txt', 'x');
  git('add', 'staged.txt');
  await repository.weft('diff', 'HEAD');
  expect(git('status', '--porcelain')).toBe('A  staged.txt\n');
  git('reset', '--quiet', '--hard');
});

test.each([
  [[], 'say since when: `weft diff <git-ref>`'],
  [['nowhere'], 'there is no commit "nowhere"'],
  [['HEAD', 'HEAD', 'HEAD'], 'say since when'],
  [['--output=x'], "Unknown option '--output'"],
])('%j is no question', async (argv, says) => {
  const { status, stderr } = await repository.weft('diff', ...argv);
  expect(status).toBe(2);
  expect(stderr).toContain(says);
});
