/**
 * Who gets through the edge: every RPC of two contracts times every kind of token, by gRPC, Connect and gRPC-Web. The expectation is
 * read from the options of the descriptors. Then what strangers say about themselves, of which nothing arrives. On the real Envoy.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Code } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TokenMint } from '../../../dev/src/tokens.ts';
import { Caller, type Protocol } from '../support/callers.ts';
import { type ExpectedRpc, exampleContract, ownContract } from '../support/contract-under-test.ts';
import { type LiveMesh, startMesh } from '../support/live-mesh.ts';
import { seeded } from '../support/seeded.ts';

const protocols: readonly Protocol[] = ['grpc', 'connect', 'grpc-web'];
const subject = 'ann';

interface Kind {
  readonly name: string;
  readonly token: (mint: TokenMint, rpc: ExpectedRpc) => Promise<string | undefined>;
  /** What an exposed RPC answers: where a token with a scope is needed, and where none is. */
  readonly authenticated: number;
  readonly open: number;
}

const all = ({ scopes }: ExpectedRpc) => [...scopes];
const refused = { authenticated: Code.Unauthenticated, open: Code.Unauthenticated } as const;
const kinds: readonly Kind[] = [
  { name: 'no token', token: async () => undefined, authenticated: Code.Unauthenticated, open: 0 },
  { name: 'expired', token: (mint, rpc) => mint.mint({ scopes: all(rpc), ttlSeconds: -60 }), ...refused },
  {
    name: 'of another issuer',
    token: (mint, rpc) => mint.mint({ scopes: all(rpc), issuer: 'https://elsewhere.example' }),
    ...refused,
  },
  {
    name: 'for another audience',
    token: (mint, rpc) => mint.mint({ scopes: all(rpc), audience: 'other' }),
    ...refused,
  },
  { name: 'of no algorithm', token: async (mint, rpc) => unsigned(await mint.mint({ scopes: all(rpc) })), ...refused },
  {
    name: 'signed by an unknown key',
    token: async (_, rpc) => (await TokenMint.foreign()).mint({ scopes: all(rpc) }),
    ...refused,
  },
  { name: 'that is none', token: async () => 'no.token.atall', ...refused },
  {
    name: 'without a scope',
    token: (mint) => mint.mint({ subject: 'without', scopes: [] }),
    authenticated: Code.PermissionDenied,
    open: 0,
  },
  {
    name: 'with other scopes',
    token: (mint, rpc) => mint.mint({ subject: 'other', scopes: rpc.scopes.map((scope) => `x${scope}`) }),
    authenticated: Code.PermissionDenied,
    open: 0,
  },
  {
    name: 'with its scope',
    token: (mint, rpc) => mint.mint({ subject, scopes: rpc.scopes.slice(0, 1) }),
    authenticated: 0,
    open: 0,
  },
  {
    name: 'with its last scope',
    token: (mint, rpc) => mint.mint({ subject: 'last', scopes: rpc.scopes.slice(-1) }),
    authenticated: 0,
    open: 0,
  },
];

describe.each([exampleContract, ownContract].map((of) => [of().name, of] as const))('%s', (_, of) => {
  const contract = of();
  let mesh: LiveMesh;
  let caller: Caller;

  beforeAll(async () => {
    mesh = await startMesh(contract);
    caller = Caller.overTcp(mesh.edgePort);
  }, 90_000);
  afterAll(async () => {
    caller?.close();
    await mesh?.stop();
  });

  test.each(kinds.map((kind) => [kind.name, kind] as const))(
    'a token %s',
    async (_name, kind) => {
      const got: string[] = [];
      const wanted: string[] = [];
      for (const rpc of contract.rpcs) {
        const token = await kind.token(mesh.tokens, rpc);
        const headers = { 'x-script': 'end', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
        for (const protocol of protocols) {
          const service = mesh.services.get(rpc.workload);
          const before = service?.seen.length ?? 0;
          const { code } = await patiently(() => caller.call(rpc.desc, { protocol, headers }));
          const reached = (service?.seen ?? []).slice(before).filter(({ path }) => path === `/${rpc.name}`);
          got.push(`${protocol} ${rpc.name}: ${code}, reached ${reached.length}`);
          const expected = expectedOf(rpc, kind);
          wanted.push(`${protocol} ${rpc.name}: ${expected}, reached ${expected === 0 ? 1 : 0}`);
          for (const { headers: seen } of reached) {
            expect(seen.authorization).toBeUndefined();
            expect(subjectIn(seen['x-weft-claims'])).toBe(token === undefined ? undefined : subjectOf(token));
          }
        }
      }
      expect(got).toEqual(wanted);
    },
    120_000,
  );

  test('a token in the address is none', async () => {
    const got: string[] = [];
    const wanted: string[] = [];
    for (const rpc of contract.rpcs.filter(({ desc }) => desc.methodKind === 'unary')) {
      const token = await mesh.tokens.mint({ subject: 'query', scopes: all(rpc) });
      const response = await patiently(async () => {
        const answer = await fetch(`http://127.0.0.1:${mesh.edgePort}/${rpc.name}?access_token=${token}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-script': 'end' },
          body: '{}',
        });
        await answer.arrayBuffer();
        return { status: answer.status, code: answer.status === 429 ? Code.ResourceExhausted : 0 };
      });
      const expected = { INTERNAL: 404, AUTHENTICATED: 401, PUBLIC: 200 }[rpc.exposure];
      got.push(`${rpc.name}: ${response.status}`);
      wanted.push(`${rpc.name}: ${expected}`);
    }
    expect(got).toEqual(wanted);
  }, 60_000);

  describe('headers that strangers make up', () => {
    const rpc = contract.rpcs.find(({ exposure, desc }) => exposure === 'PUBLIC' && desc.methodKind === 'unary');
    /** What arrives at the service of a call with these headers. */
    async function arrives(headers: Record<string, string>, protocol: Protocol) {
      if (rpc === undefined) throw new Error('nothing is public');
      const { code } = await patiently(() =>
        caller.call(rpc.desc, { protocol, headers: { ...headers, 'x-script': 'end' } }),
      );
      expect(code).toBe(0);
      const seen = mesh.services.get(rpc.workload)?.seen.findLast(({ path }) => path === `/${rpc.name}`);
      return seen?.headers ?? {};
    }
    const hostile = {
      'x-weft-claims': Buffer.from('{"sub":"root","scope":"everything"}').toString('base64url'),
      'x-weft-content-type': 'application/grpc-web',
      'x-weft-nowhere': 'edge',
      'x-envoy-internal': 'true',
      'x-envoy-original-path': '/root',
      'x-envoy-retry-on': '5xx',
      'x-envoy-max-retries': '9',
      'x-envoy-upstream-rq-timeout-ms': '1',
      'x-envoy-decorator-operation': 'forged',
      'x-envoy-force-trace': '1',
      'x-envoy-external-address': '203.0.113.99',
      'x-forwarded-client-cert': 'By=x;URI=spiffe://forged.example/root',
      'x-forwarded-for': '203.0.113.99',
      'x-forwarded-host': 'forged.example',
      'x-forwarded-proto': 'forged',
      'x-request-id': 'forged',
      traceparent: '00-f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0-f0f0f0f0f0f0f0f0-01',
      tracestate: 'forged=1',
    };

    test.each(protocols)('a list of known ones, by %s', async (protocol) => {
      const seen = await arrives(hostile, protocol);
      for (const [name, forged] of Object.entries(hostile)) expect(seen[name], name).not.toBe(forged);
      expect(JSON.stringify(seen)).not.toMatch(/forged|203\.0\.113|f0f0f0f0|"root/);
    });

    test('any name of the mesh and of Envoy', async () => {
      const random = seeded(20_261);
      for (let round = 0; round < 30; round += 1) {
        const made: Record<string, string> = {};
        for (let count = 0; count < 20; count += 1) {
          const prefix = random() < 0.5 ? 'x-weft-' : 'x-envoy-';
          const length = 1 + Math.floor(random() * 20);
          const letters = Array.from(
            { length },
            () => 'abcdefghijklmnopqrstuvwxyz0123456789-'[Math.floor(random() * 37)],
          );
          made[`${random() < 0.3 ? prefix.toUpperCase() : prefix}${letters.join('')}`] = `forged${count}`;
        }
        const seen = await arrives(made, protocols[round % protocols.length] ?? 'grpc');
        const arrived = Object.entries(seen).filter(([, value]) => String(value).startsWith('forged'));
        expect(arrived, JSON.stringify(made)).toEqual([]);
      }
    });
  });
});

function expectedOf({ exposure }: ExpectedRpc, { authenticated, open }: Kind): number {
  return { INTERNAL: Code.Unimplemented, AUTHENTICATED: authenticated, PUBLIC: open }[exposure];
}

/** Asks again while the bucket of a client is empty; each gets at least one token a second. */
async function patiently<T extends { code: number }>(call: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    const outcome = await call();
    if (outcome.code !== Code.ResourceExhausted || tries === 10) return outcome;
    await delay(1000);
  }
}

/** The same claims, with an algorithm that needs no key and no signature. */
function unsigned(token: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url');
  return `${header}.${token.split('.')[1]}.`;
}

const subjectOf = (token: string): string => subjectIn(token.split('.')[1]) ?? '';

function subjectIn(payload: unknown): string | undefined {
  return typeof payload === 'string' ? JSON.parse(Buffer.from(payload, 'base64url').toString()).sub : undefined;
}
