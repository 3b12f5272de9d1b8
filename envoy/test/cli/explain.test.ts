/** `weft explain <caller> <rpc>`: the verdict, the way, and for each fact the lines of contract and bootstrap that it names. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { edgeName } from '../../src/blocks/names.ts';
import type { Explanation, Fact } from '../../src/explain/explanation.ts';
import { compileProtos, testFolder } from '../support/compile.ts';
import { Repository } from './support/workspace.ts';

let repository: Repository;
beforeAll(() => {
  repository = new Repository();
  // The generated files, as buf would write them, to look up the lines that are named.
  const topologies = ['local', 'tight'].map((name) => {
    return { name, file: `topologies/${name}.yaml`, text: repository.read(`topologies/${name}.yaml`) };
  });
  const lobby = 'acme/lobby/v1/lobby_service.proto';
  const protos = Object.fromEntries(
    [...sourcesOf(join(testFolder, 'protos')), lobby].map((path) => [path, repository.read(`proto/${path}`)]),
  );
  for (const { name, content } of compileProtos(protos, { sourceRoot: 'proto', topologies })) {
    repository.write(`gen/${name}`, content);
  }
});
afterAll(() => repository.remove());

const sourcesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.proto'));

const shelf = 'acme.shelf.v1.ShelfService';

async function explained(caller: string, rpc: string, ...more: string[]): Promise<Explanation> {
  const { status, stdout, stderr } = await repository.weft('explain', caller, rpc, '--json', ...more);
  expect(stderr).toBe('');
  const explanation = JSON.parse(stdout) as Explanation;
  expect(status).toBe(explanation.allowed ? 0 : 1);
  return explanation;
}

/** The fact of a name at a hop, counted from 1. */
function factAt(explanation: Explanation, hop: number, name: string): Fact {
  const fact = explanation.hops[hop - 1]?.facts.find((one) => one.name === name);
  if (!fact) throw new Error(`hop ${hop} has no ${name}`);
  return fact;
}

/** The line that a position names, in the repository's own files. */
function lineAt({ file, line }: { file: string; line: number }): string {
  return repository.read(file).split('\n')[line - 1]?.trim() ?? '';
}
const lines = (positions: readonly { file: string; line: number }[]): string[] => positions.map(lineAt);

describe('a call between workloads', () => {
  test('goes through the sidecars of both, and names who declares it', async () => {
    const explanation = await explained('desk', `${shelf}/GetBook`);
    expect(explanation).toMatchObject({ allowed: true, callee: 'shelf', topology: 'local' });
    expect(explanation.hops.map(({ from, to }) => `${from} > ${to}`)).toEqual([
      'desk > sidecar of desk, outbound',
      'sidecar of desk > sidecar of shelf, inbound',
      'sidecar of shelf > shelf',
    ]);
    expect(explanation.declaredBy.map(({ rpc }) => rpc)).toEqual(['acme.desk.v1.DeskService/OrderBook']);
    expect(lines(explanation.declaredBy.map(({ at }) => at))).toEqual([`calls: {rpc: "${shelf}/GetBook"}`]);
  });

  test.each([
    [1, 'route', /^authority shelf/, [`calls: {rpc: "${shelf}/GetBook"}`], [`- name: ${shelf}/GetBook`]],
    [1, 'deadline', /^1 s, all tries included/, ['deadline: {seconds: 1}'], [/^max_stream_duration: .*: 1s,/]],
    [1, 'tries', /^up to 3, 400 ms each; .*CANCELLED \(the callee gave up\)/, ['max_attempts: 3'], [/^retry_policy:/]],
    [
      2,
      'identity',
      /spiffe:\/\/weft\.local\/desk.*spiffe:\/\/weft\.local\/shelf/,
      [/^calls:/],
      [/^match_typed/, /^match_typed/],
    ],
    [2, 'allowed', /on the list/, [/^calls:/], [`${shelf}/GetBook:`]],
    [
      2,
      'rate',
      /^1000 requests a second/,
      ['rate_limit: {requests_per_second: 1000}'],
      [/^envoy\.filters\.http\.local_ratelimit:/],
    ],
    [3, 'at once', /^4 requests/, ['max_concurrent_requests: 4'], [/^circuit_breakers:/]],
  ] as const)(
    'hop %i says of %s what the contract says, where, and what Envoy got',
    async (hop, name, says, sources, fragments) => {
      const fact = factAt(await explained('desk', 'GetBook'), hop, name);
      expect(fact.text).toMatch(says);
      const expected = (list: readonly (string | RegExp)[]) =>
        list.map((line) => (typeof line === 'string' ? line : expect.stringMatching(line)));
      expect(lines(fact.sources)).toEqual(expected(sources));
      expect(lines(fact.fragments)).toEqual(expected(fragments));
    },
  );

  test('every fragment that is named stands in the generated file, whoever calls what', async () => {
    let compared = 0;
    for (const caller of [edgeName, 'desk']) {
      for (const rpc of ['GetBook', 'CountBooks', 'BurnBook', 'WatchBooks', 'LendBook', 'BrowseBooks', 'OrderBook']) {
        const { hops, refusal } = await explained(caller, rpc);
        for (const { file, line, text } of [...hops.flatMap((hop) => hop.facts), ...(refusal?.seen ?? [])].flatMap(
          (f) => f.fragments,
        )) {
          const [first = ''] = text.split('\n');
          expect(lineAt({ file, line })).toBe(first.trim());
          compared += 1;
        }
      }
    }
    expect(compared).toBeGreaterThan(50);
  });

  test('a topology that tightens is named instead of the contract', async () => {
    const deadline = factAt(await explained('desk', 'LendBook', '--topology', 'tight'), 1, 'deadline');
    expect(deadline.text).toMatch(/^500 ms/);
    expect(lines(deadline.sources)).toEqual([expect.stringContaining('{deadline_ms: 500}')]);
    expect(deadline.fragments[0]?.file).toBe('gen/envoy/tight/desk.yaml');
    expect(factAt(await explained('desk', 'LendBook'), 1, 'deadline').text).toMatch(/^2 s/);
  });
});

describe('a call from outside', () => {
  test('needs a token with a scope where the contract says so', async () => {
    const token = factAt(await explained('edge', 'OrderBook'), 1, 'token');
    expect(token.text).toBe(
      'required: of https://weft.local, for weft, not expired, with the scope books:order or books:admin',
    );
    expect(lines(token.sources)).toEqual(['scopes: [']);
  });

  test('needs none where the RPC is public, and is limited per client', async () => {
    const explanation = await explained('edge', 'BrowseBooks');
    expect(factAt(explanation, 1, 'token').text).toBe('none needed; one that comes has to be valid');
    expect(factAt(explanation, 1, 'rate').text).toBe(
      '1 request a second, 3 in a burst, for each token subject or client address',
    );
    expect(explanation.hops.map(({ to }) => to)).toEqual(['edge', 'sidecar of shelf, inbound', 'shelf']);
  });

  test('that the edge does not let in is shown the way through others', async () => {
    const { refusal, waysFromTheEdge } = await explained('edge', 'LendBook');
    expect(refusal?.why).toContain('INTERNAL');
    expect(lines(refusal?.places.map(({ at }) => at) ?? [])).toEqual(['exposure: EXPOSURE_INTERNAL']);
    expect(waysFromTheEdge.map((way) => way.map(({ rpc }) => rpc))).toEqual([
      ['acme.desk.v1.DeskService/OrderBook', `${shelf}/LendBook`],
    ]);
  });
});

describe('a refusal', () => {
  test('says which line is missing, and the mend makes it allowed', async () => {
    const { refusal } = await explained('lobby', 'GetBook');
    expect(refusal?.mend).toBe(`Add \`calls: {rpc: "${shelf}/GetBook"}\` to the policy of the RPC that needs it`);
    const [place] = refusal?.places ?? [];
    expect(place?.at.file).toBe('proto/acme/lobby/v1/lobby_service.proto');
    expect(refusal?.seen.map(({ text }) => text)).toEqual([
      'UNIMPLEMENTED from its own sidecar: lobby declares no such call',
      'no connection: the sidecar of shelf refuses the certificate of spiffe://weft.local/lobby',
    ]);
    const mended = new Repository();
    try {
      const policy = 'exposure: EXPOSURE_INTERNAL';
      mended.edit(place?.at.file ?? '', policy, `${policy}\n calls: {rpc: "${shelf}/GetBook"}`);
      expect(await mended.weft('explain', 'lobby', 'GetBook')).toMatchObject({ status: 0 });
    } finally {
      mended.remove();
    }
  });

  test('of a known workload tells of the allow-list', async () => {
    const { refusal } = await explained('desk', 'BurnBook');
    expect(refusal?.seen[1]?.text).toMatch(/^PERMISSION_DENIED from the sidecar of shelf/);
  });

  test('does not advise what would close a circle', async () => {
    const { refusal } = await explained('shelf', 'OrderBook');
    expect(refusal).toMatchObject({ why: expect.stringContaining('desk calls shelf already'), places: [] });
  });

  test('of a workload that calls itself', async () => {
    expect((await explained('shelf', 'GetBook')).refusal?.why).toContain('does not call itself');
  });
});

describe('the text', () => {
  test.each([
    ['desk', 'GetBook'],
    ['edge', 'OrderBook'],
    ['edge', 'LendBook'],
    ['lobby', 'GetBook'],
  ])('fits a terminal of 100 columns and has no colours when nobody looks: %s %s', async (caller, rpc) => {
    const { stdout } = await repository.weft('explain', caller, rpc);
    expect(stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
    expect(stdout).not.toContain('\u001b');
  });

  test('shows the fragments themselves when asked', async () => {
    const { stdout } = await repository.weft('explain', 'desk', 'GetBook', '--fragments');
    expect(stdout).toContain('per_try_timeout: 0.4s');
    expect((await repository.weft('explain', 'desk', 'GetBook')).stdout).not.toContain('per_try_timeout');
  });
});

describe('names', () => {
  test.each(['GetBook', 'ShelfService/GetBook', 'v1.ShelfService.GetBook', `/${shelf}/GetBook`, 'getbook'])(
    'an end that only one RPC has is enough: %s',
    async (word) => expect((await explained('desk', word)).rpc).toBe(`${shelf}/GetBook`),
  );

  test.each([
    [['desk', 'GetBok'], `there is no RPC "GetBok"; did you mean ${shelf}/GetBook?`],
    [['dsk', 'GetBook'], 'there is no workload "dsk"; did you mean desk?'],
    [['desk', 'Book'], `there is no RPC "Book"\n  acme.desk.v1.DeskService/OrderBook`],
    [['desk'], 'say who calls and what'],
    [['desk', 'GetBook', '--topology', 'locl'], 'there is no topology "locl"; did you mean local?'],
    [['desk', 'GetBook', '--input', 'nowhere'], '`buf build nowhere` fails'],
  ])('refuses %j', async (argv, says) => {
    const { status, stdout, stderr } = await repository.weft('explain', ...argv);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(says);
  });

  test('an end that several RPCs have is refused, with the list', async () => {
    const twin = new Repository();
    try {
      twin.edit('proto/acme/lobby/v1/lobby_service.proto', 'rpc Enter(', 'rpc GetBook(');
      const { status, stderr } = await twin.weft('explain', 'desk', 'GetBook');
      expect(status).toBe(2);
      expect(stderr).toContain('may be 2 RPCs');
      expect(stderr).toContain('\n  acme.lobby.v1.LobbyService/GetBook\n');
    } finally {
      twin.remove();
    }
  });
});

describe('a folder that is not ready', () => {
  test('a contract that does not compile is said with its problems', async () => {
    const broken = new Repository();
    try {
      broken.edit('proto/acme/lobby/v1/lobby_service.proto', 'deadline: {seconds: 5}', '');
      const { status, stderr } = await broken.weft('explain', 'desk', 'GetBook');
      expect(status).toBe(2);
      expect(stderr).toMatch(/does not compile:\nproto\/acme\/lobby\/v1\/lobby_service\.proto:\d+: .*\[deadline\]/);
    } finally {
      broken.remove();
    }
  });

  test('a folder without buf.gen.yaml, asked by the program itself', () => {
    const program = fileURLToPath(new URL('../../bin/weft', import.meta.url));
    const { status, stderr } = spawnSync(process.execPath, [program, 'explain', 'desk', 'GetBook'], {
      cwd: join(repository.folder, 'proto'),
      encoding: 'utf8',
    });
    expect(status).toBe(2);
    expect(stderr).toContain('there is no buf.gen.yaml here');
  });
});
