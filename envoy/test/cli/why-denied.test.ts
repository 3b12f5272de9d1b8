/**
 * `weft explain --why-denied`: each refusal is caused on real Envoys, and the line that they wrote of it is handed to the command.
 * Tests run in order; the last ones take the service away.
 */
import { createConnection } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CertificateAuthority } from '../../../dev/src/authority.ts';
import { askSocket } from '../../../dev/src/socket-request.ts';
import type { TokenOptions } from '../../../dev/src/tokens.ts';
import { waitFor } from '../../../dev/src/wait.ts';
import { type AccessLine, hasFlag } from '../../src/explain/access-line.ts';
import type { Verdict } from '../../src/explain/evidence.ts';
import { type ExampleMesh, nameOf, startExampleMesh } from '../support/example-mesh.ts';
import { Repository } from './support/workspace.ts';

const shelf = 'acme.shelf.v1.ShelfService';
let mesh: ExampleMesh;
let repository: Repository;

beforeAll(async () => {
  repository = new Repository();
  mesh = await startExampleMesh();
}, 60_000);
afterAll(async () => {
  await mesh?.stop();
  repository?.remove();
});

type Workload = 'edge' | 'desk' | 'shelf';
type Wanted = (line: AccessLine) => boolean;

/** Does `work`, whatever comes of it, and gives the first line that `workload` wrote meanwhile and that is wanted. */
async function lineOf(workload: Workload, wanted: Wanted, work: () => Promise<unknown>): Promise<AccessLine> {
  const before = mesh.accessLog(workload).length;
  await work().catch(() => {});
  const find = async () => mesh.accessLog(workload).slice(before).find(wanted);
  return waitFor(`a line of ${workload}`, find, { withinMs: 15_000 });
}

/** What the command says of a line: as data, with the texts of the lines that it names. */
async function judge(line: AccessLine, ...more: string[]): Promise<Verdict & { says: string[] }> {
  const argv = ['explain', '--why-denied', JSON.stringify(line), '--json', ...more];
  const { status, stdout, stderr } = await repository.weft(...argv);
  expect(stderr).toBe('');
  const [verdict] = JSON.parse(stdout) as Verdict[];
  if (!verdict) throw new Error('no verdict');
  expect(status).toBe(verdict.denied ? 1 : 0);
  const says = verdict.sources.map(({ file, line: number }) => repository.read(file).split('\n')[number - 1]?.trim());
  return { ...verdict, says: says.map((text) => text ?? '') };
}

const refused: Wanted = ({ grpc, event }) => event === undefined && grpc !== 'OK';
const handshake: Wanted = ({ event, tls_failure: failure }) => event === 'connection' && failure !== undefined;
const asDesk = async () => mesh.callerAs(await mesh.identity(nameOf('desk')));
const stranger = async (rpc: string, token?: TokenOptions | string) => {
  const bearer = typeof token === 'object' ? await mesh.tokens.mint(token) : token;
  const headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
  return mesh.stranger().call({ rpc: `${shelf}/${rpc}`, headers });
};

describe('callers', () => {
  test('a workload that declares no such call', async () => {
    const line = await lineOf('shelf', refused, async () => (await asDesk()).call({ rpc: `${shelf}/BurnBook` }));
    const verdict = await judge(line);
    expect(verdict).toMatchObject({ denied: true, rule: 'allow-list' });
    expect(verdict.why).toContain('desk declares no call to acme.shelf.v1.ShelfService/BurnBook');
    expect(verdict.mend).toContain(`calls: {rpc: "${shelf}/BurnBook"}`);
    expect(verdict.sources[0]?.file).toBe('proto/acme/desk/v1/desk_service.proto');
    expect(verdict.fragments[0]?.file).toBe('gen/envoy/local/shelf.yaml');
  });

  test('an RPC that the callee does not have', async () => {
    const line = await lineOf('shelf', refused, async () => (await asDesk()).call({ rpc: `${shelf}/Nothing` }));
    expect(await judge(line, '--workload', 'shelf')).toMatchObject({
      rule: 'allow-list',
      why: expect.stringContaining('an RPC that shelf does not have'),
    });
  });

  test('an undeclared call that ends at the own sidecar', async () => {
    const line = await lineOf('desk', refused, () => mesh.callerAtDesk().call({ rpc: `${shelf}/BurnBook` }));
    const verdict = await judge(line, '--workload', 'desk');
    expect(verdict).toMatchObject({ rule: 'undeclared call', why: expect.stringMatching(/^desk called/) });
    expect(verdict.fragments[0]?.text).toContain('desk declares no such call');
  });

  test('a call that the contract allows by now, refused by an Envoy that does not know it yet', async () => {
    const line = await lineOf('shelf', refused, async () => (await asDesk()).call({ rpc: `${shelf}/BurnBook` }));
    const mended = new Repository();
    try {
      const calls = `calls: {rpc: "${shelf}/LendBook"}`;
      mended.edit('proto/acme/desk/v1/desk_service.proto', calls, `${calls}\n      calls: {rpc: "${shelf}/BurnBook"}`);
      const { stdout, stderr } = await mended.weft('explain', '--why-denied', JSON.stringify(line));
      expect(`${stdout}${stderr}`.replaceAll(/\s+/g, ' ')).toContain('though this contract says so');
    } finally {
      mended.remove();
    }
  });
});

describe('handshakes', () => {
  test('of an identity that no contract knows', async () => {
    const evil = await mesh.identity(nameOf('evil'));
    const line = await lineOf('shelf', handshake, () => mesh.callerAs(evil).call({ rpc: `${shelf}/GetBook` }));
    expect(await judge(line)).toMatchObject({
      rule: 'peer identity',
      why: `${nameOf('evil')} is an identity that no contract knows`,
    });
  });

  test('of a workload that declares no call to anything here', async () => {
    const lobby = await mesh.identity(nameOf('lobby'));
    const line = await lineOf('shelf', handshake, () => mesh.callerAs(lobby).call({ rpc: `${shelf}/GetBook` }));
    const verdict = await judge(line, '--workload', 'shelf');
    expect(verdict.why).toMatch(/^no RPC of lobby declares a call to any RPC of shelf/);
    expect(verdict.fragments[0]?.text).toContain('match_typed_subject_alt_names');
  });

  test('with an expired certificate', async () => {
    const expired = await mesh.identity(nameOf('desk'), -1);
    const line = await lineOf('shelf', handshake, () => mesh.callerAs(expired).call({ rpc: `${shelf}/GetBook` }));
    expect(await judge(line)).toMatchObject({
      rule: 'certificate expired',
      why: expect.stringContaining(nameOf('desk')),
    });
  });

  test('with a certificate of a foreign authority', async () => {
    const foreign = await (await CertificateAuthority.foreign()).mint({ uri: nameOf('desk'), days: 1 });
    const { trusted } = await mesh.identity(nameOf('desk'));
    const client = mesh.callerAs({ ...foreign, trusted });
    const line = await lineOf('shelf', handshake, () => client.call({ rpc: `${shelf}/GetBook` }));
    expect(await judge(line)).toMatchObject({ rule: 'foreign authority' });
  });

  test('without a certificate', async () => {
    const { trusted } = await mesh.identity(nameOf('desk'));
    const client = mesh.callerAs({ certificate: '', privateKey: '', trusted });
    const line = await lineOf('shelf', handshake, () => client.call({ rpc: `${shelf}/GetBook` }));
    expect(await judge(line)).toMatchObject({ rule: 'no certificate' });
  });

  test('in plaintext', async () => {
    const line = await lineOf('shelf', handshake, speakPlaintext);
    expect(await judge(line)).toMatchObject({ rule: 'plaintext' });
  });

  const speakPlaintext = () =>
    new Promise<void>((resolve) => {
      const socket = createConnection(mesh.socketOf('shelf').replace('.app.', '.in.'));
      socket.on('error', () => {});
      socket.on('close', () => resolve());
      socket.end('GET / HTTP/1.1\r\nhost: shelf\r\n\r\n');
    });
});

describe('tokens', () => {
  const count = ['books:count'];
  test.each<[name: string, token: TokenOptions | string | undefined, why: string]>([
    ['none', undefined, 'the call brought no token (Jwt is missing)'],
    ['no JWT', 'abc', 'the token is no JWT'],
    ['an expired one', { scopes: count, ttlSeconds: -3600 }, 'the token has expired'],
    [
      'of another issuer',
      { scopes: count, issuer: 'https://elsewhere.example' },
      'the token was issued by somebody else',
    ],
    ['for another audience', { scopes: count, audience: 'others' }, 'the token is for another audience'],
  ])('%s', async (_, token, why) => {
    const line = await lineOf('edge', refused, () => stranger('CountBooks', token));
    const verdict = await judge(line);
    expect(verdict).toMatchObject({ rule: 'token', why: expect.stringContaining(why) });
    expect(verdict.mend).toContain(
      'a JWT of https://weft.local for weft that has not expired, with one of the scopes books:count',
    );
    expect(verdict.says).toEqual(['exposure: EXPOSURE_AUTHENTICATED']);
  });

  test('a signature that does not fit', async () => {
    const [header, payload] = (await mesh.tokens.mint({ scopes: count })).split('.');
    const forged = [header, payload, Buffer.alloc(64, 7).toString('base64url')].join('.');
    const line = await lineOf('edge', refused, () => stranger('CountBooks', forged));
    expect(await judge(line)).toMatchObject({ rule: 'token', why: expect.stringContaining('signature') });
  });

  test('without the scope', async () => {
    const line = await lineOf('edge', refused, () => stranger('BurnBook', { scopes: count }));
    const verdict = await judge(line);
    expect(verdict).toMatchObject({ rule: 'scope', mend: expect.stringContaining('the scope books:burn') });
    expect(verdict.says).toEqual(['scopes: ["books:burn"]']);
  });

  test('an RPC that the edge does not offer', async () => {
    const line = await lineOf('edge', refused, () => stranger('LendBook'));
    expect(await judge(line)).toMatchObject({ rule: 'not exposed' });
  });
});

describe('limits', () => {
  test('of a client at the edge', async () => {
    const calls = async () => {
      for (let i = 0; i < 12; i += 1) await stranger('BrowseBooks');
    };
    const verdict = await judge(await lineOf('edge', refused, calls));
    expect(verdict).toMatchObject({
      rule: 'rate limit',
      why: expect.stringContaining('1 request a second, 3 in a burst'),
    });
    expect(verdict.says).toEqual(['requests_per_second: 1']);
  });

  test('of a workload at the callee, seen from both sides', async () => {
    const calls = async () => {
      for (let i = 0; i < 12; i += 1) await mesh.callerAtDesk().call({ rpc: `${shelf}/CountBooks` });
    };
    const line = await lineOf('shelf', refused, calls);
    const verdict = await judge(line);
    expect(verdict).toMatchObject({ rule: 'rate limit', why: expect.stringContaining(nameOf('desk')) });
    const atCaller = mesh.accessLog('desk').find(({ trace }) => trace === line.trace);
    expect(await judge(atCaller ?? {})).toMatchObject({
      rule: 'answered by the callee',
      mend: expect.stringContaining(line.trace ?? 'no trace'),
    });
  });

  test('of concurrency', async () => {
    const calls = () =>
      Promise.all(
        Array.from({ length: 12 }, () => mesh.callerAtDesk().call({ rpc: `${shelf}/LendBook`, script: 'hold:1500' })),
      );
    const verdict = await judge(await lineOf('shelf', refused, calls));
    expect(verdict).toMatchObject({ rule: 'concurrency limit', why: expect.stringContaining('the 4 requests') });
    expect(verdict.says).toEqual(['max_concurrent_requests: 4']);
  });

  test.each([
    ['too many headers', Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`x-h${i}`, 'a'])), 'more than 100'],
    ['too large ones', { 'x-big': 'a'.repeat(40_000) }, 'more than 32 kB'],
    ['an underscore', { a_b: 'c' }, 'underscore'],
  ])('of headers: %s', async (_, headers, why) => {
    const isFault: Wanted = ({ details }) => details?.startsWith('http2.') === true;
    const line = await lineOf('desk', isFault, () => mesh.callerAtDesk().call({ rpc: `${shelf}/LendBook`, headers }));
    expect(await judge(line, '--workload', 'desk')).toMatchObject({
      rule: 'header limits',
      why: expect.stringContaining(why),
    });
  });
});

describe('time', () => {
  /** Either sidecar may be the first to see it pass; the other one then only hears of it. */
  async function lateLine(inForce: string, headers: Record<string, string>): Promise<AccessLine> {
    await mesh.callerAtDesk().call({ rpc: `${shelf}/LendBook`, script: 'hang', headers });
    const lines = () => [...mesh.accessLog('desk'), ...mesh.accessLog('shelf')];
    const isIt: Wanted = ({ timeout, details }) => timeout === inForce && details === 'max_duration_timeout';
    return waitFor('the line', async () => lines().find(isIt), { withinMs: 10_000 });
  }

  test('the deadline of the contract', async () => {
    const verdict = await judge(await lateLine('2000m', {}));
    const why = 'no answer within 2 s, which is the deadline of the contract';
    expect(verdict).toMatchObject({ rule: 'deadline', why });
    expect(verdict.says).toEqual(['deadline: {seconds: 2}']);
  });

  test("the caller's own deadline", async () => {
    const why = "no answer within 300 ms, which is the caller's own deadline";
    expect(await judge(await lateLine('300m', { 'grpc-timeout': '300m' }))).toMatchObject({ rule: 'deadline', why });
  });

  test('a try that the caller gave up is no refusal', async () => {
    const call = () => mesh.callerAtDesk().call({ rpc: `${shelf}/GetBook`, script: 'hang' });
    const line = await lineOf('shelf', ({ flags }) => flags === 'DR', call);
    expect(await judge(line)).toMatchObject({ denied: false, rule: 'caller gave up' });
  });

  test('a stream that is silent for too long, seen from both sides', async () => {
    const silent: Wanted = ({ flags }) => flags === 'SI';
    // Both sidecars count the silence; wanted is a call of which the callee's alone saw it, and the caller's but the end.
    const seen = () =>
      mesh.accessLog('shelf').flatMap((line) => {
        const atCaller = mesh.accessLog('desk').find(({ trace }) => trace === line.trace);
        return silent(line) && atCaller !== undefined && !silent(atCaller) ? [{ line, atCaller }] : [];
      })[0];
    for (let attempt = 0; attempt < 12 && seen() === undefined; attempt += 1) {
      await mesh
        .callerAtDesk()
        .call({ rpc: `${shelf}/WatchBooks` })
        .catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    const { line, atCaller } = await waitFor('both lines', async () => seen(), { withinMs: 10_000 });
    const verdict = await judge(line);
    expect(verdict).toMatchObject({ rule: 'idle timeout', why: expect.stringContaining('longer than 1 s') });
    expect(verdict.says).toEqual(['idle_timeout: {seconds: 1}']);
    expect(await judge(atCaller)).toMatchObject({ rule: 'connection broke' });
  });
});

describe('failures', () => {
  test('a call that succeeded was not denied', async () => {
    const line = await lineOf(
      'desk',
      ({ grpc }) => grpc === 'OK',
      () => mesh.callerAtDesk().call({ rpc: `${shelf}/LendBook` }),
    );
    const { status, stdout } = await repository.weft('explain', '--why-denied', JSON.stringify(line));
    expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringMatching(/^not denied\n/) });
  });

  test('an error of the service itself', async () => {
    const call = () => mesh.callerAtDesk().call({ rpc: `${shelf}/LendBook`, script: 'fail-first:99:13' });
    expect(await judge(await lineOf('shelf', refused, call))).toMatchObject({
      rule: 'answered by the service',
      why: 'the mesh let it through, and shelf itself answered Internal',
    });
  });

  test('an error to every try', async () => {
    const call = () => mesh.callerAtDesk().call({ rpc: `${shelf}/GetBook`, script: 'fail-first:99:14' });
    const verdict = await judge(await lineOf('desk', refused, call));
    expect(verdict).toMatchObject({ rule: 'tries used up', why: 'shelf answered Unavailable to all 3 tries' });
  });

  test('a service that is gone, and then has no healthy replica', async () => {
    const closed = mesh.shelf.close();
    const direct = await asDesk();
    const fails = async () => {
      await direct.call({ rpc: `${shelf}/LendBook` }).catch(() => {});
      return mesh.accessLog('shelf').find(({ flags }) => flags === 'UF');
    };
    const gone = await waitFor('a service that is gone', fails, { withinMs: 20_000 });
    expect(await judge(gone)).toMatchObject({
      rule: 'connection',
      why: expect.stringContaining('No such file or directory'),
    });

    await closed;
    const unhealthy = async () => {
      await mesh
        .callerAtDesk()
        .call({ rpc: `${shelf}/LendBook` })
        .catch(() => {});
      return mesh.accessLog('desk').find(({ flags }) => flags === 'UH');
    };
    const line = await waitFor('an unhealthy replica', unhealthy, { withinMs: 20_000 });
    expect(await judge(line)).toMatchObject({
      rule: 'no healthy replica',
      why: expect.stringContaining('no replica of shelf'),
    });
  }, 60_000);
});

describe('a callee whose sidecar is gone', () => {
  let broken: ExampleMesh;
  beforeAll(async () => {
    broken = await startExampleMesh();
  }, 60_000);
  afterAll(() => broken?.stop());

  test('cannot be reached, and not every call to it is repeated', async () => {
    const admin = broken.socketOf('shelf').replace('.app.', '.admin.');
    await askSocket(admin, '/drain_listeners', { method: 'POST' });
    const clients = Array.from({ length: 4 }, () => broken.callerAtDesk());
    const calls = Array.from({ length: 800 }, (_, i) => clients[i % 4]?.call({ rpc: `${shelf}/GetBook` }));
    await Promise.allSettled(calls);
    const line = (wanted: Wanted) => async () => broken.accessLog('desk').find(wanted);
    const overflow = await waitFor(
      'an overflow',
      line((one) => hasFlag(one, 'UO')),
      { withinMs: 10_000 },
    );
    const verdict = await judge(overflow);
    expect(verdict).toMatchObject({ rule: 'retry budget', why: expect.stringContaining('other calls to shelf') });
    expect(verdict.fragments[0]?.text).toContain('retry_budget');

    const isUnreachable: Wanted = (one) => hasFlag(one, 'UF') && !hasFlag(one, 'UO');
    const unreachable = await waitFor('a connection that failed', line(isUnreachable), { withinMs: 10_000 });
    expect(await judge(unreachable)).toMatchObject({
      rule: 'connection',
      why: expect.stringMatching(/^shelf could not be reached: /),
      mend: expect.stringContaining('the sidecar of shelf'),
    });
  }, 60_000);
});

describe('what is given', () => {
  test('several lines of standard input, with what a collector put before them', async () => {
    const lines = [
      'shelf-1 | {"details":"via_upstream","flags":"-","grpc":"OK","listener":"edge","route":"a.b/C"}',
      '{"details":"jwt_authn_access_denied{Jwt_is_expired}","flags":"-","listener":"edge","route":"acme.shelf.v1.ShelfService/BurnBook"}',
    ];
    const { status, stdout } = await repository.weftWith(`${lines.join('\n')}\n`, 'explain', '--why-denied', '-');
    expect(status).toBe(1);
    expect(stdout.match(/^(not denied|denied: .*)$/gm)).toEqual(['not denied', 'denied: token']);
    expect(stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
  });

  test.each([
    ['no JSON', 'nonsense', 'no line of an access log'],
    ['of another program', '{"level":"info"}', 'no line of an access log'],
    ['nothing', ' ', 'there is no line to judge'],
  ])('%s is refused', async (_, text, says) => {
    expect(await repository.weft('explain', '--why-denied', text)).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringContaining(says),
    });
  });
});
