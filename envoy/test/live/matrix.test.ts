/**
 * Who may call what: every identity times every RPC, at every callee's door and at every caller's own, for two contracts. The
 * expectation is read from the options of the descriptors. On the real Envoy.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { create, createFileRegistry, type DescMethod } from '@bufbuild/protobuf';
import { file_google_protobuf_empty as emptyFile, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CertificateAuthority, spiffeId } from '../../../dev/src/authority.ts';
import { Caller, type Protocol } from '../support/callers.ts';
import {
  type ContractUnderTest,
  type ExpectedRpc,
  exampleContract,
  ownContract,
} from '../support/contract-under-test.ts';
import { type LiveMesh, startMesh } from '../support/live-mesh.ts';

const protocols: readonly Protocol[] = ['grpc', 'connect'];
const headers = { 'x-script': 'end' };
const ok = 0;

describe.each([exampleContract, ownContract].map((contract) => [contract().name, contract] as const))('%s', (_, of) => {
  const contract = of();
  const calleesOf = (workload: string) => contract.rpcs.filter(({ callers }) => callers.includes(workload));
  /** Who may connect to a workload at all. */
  const known = (workload: string): Set<string> => {
    const own = contract.rpcs.filter((rpc) => rpc.workload === workload);
    const outside = own.some(({ exposure }) => exposure !== 'INTERNAL') || reflects(contract, workload);
    return new Set([...own.flatMap(({ callers }) => callers), ...(outside ? ['edge'] : [])]);
  };
  const mayCall = (caller: string, { callers, exposure }: ExpectedRpc): boolean =>
    caller === 'edge' ? exposure !== 'INTERNAL' : callers.includes(caller);
  const identities = ['edge', ...contract.workloads];
  let mesh: LiveMesh;
  const open: Caller[] = [];

  beforeAll(async () => {
    mesh = await startMesh(contract);
  }, 90_000);
  afterAll(async () => {
    for (const caller of open) caller.close();
    await mesh?.stop();
  });
  const keep = (caller: Caller): Caller => {
    open.push(caller);
    return caller;
  };

  /** What each call of `rpcs` came to, as lines that say all of it. */
  async function outcomes(caller: Caller, rpcs: readonly Named[], expected: (rpc: Named) => number | string) {
    const got: string[] = [];
    const wanted: string[] = [];
    for (const protocol of protocols) {
      for (const rpc of rpcs) {
        const call = () => caller.call(rpc.desc, { protocol, headers });
        let { code, isAnswered } = await call();
        for (let again = 0; code === Code.ResourceExhausted && again < 5; again += 1) {
          await delay(1000); // Each bucket gets at least one token a second.
          ({ code, isAnswered } = await call());
        }
        got.push(`${protocol} ${rpc.name}: ${isAnswered ? code : noConnection}`);
        wanted.push(`${protocol} ${rpc.name}: ${expected(rpc)}`);
      }
    }
    return { got, wanted };
  }

  describe.each(contract.workloads)('at the door of %s', (callee) => {
    const own = contract.rpcs.filter(({ workload }) => workload === callee);
    const others = contract.rpcs.filter(({ workload }) => workload !== callee);
    const asked: Named[] = [...own, ...others, ...unknownRpcs(contract, callee)];
    const dial = async (name: string, days?: number) =>
      keep(Caller.overTls(mesh.socketOf(callee, 'in'), callee, await mesh.identity(spiffeId(name), days)));

    test.each(identities)('%s', async (name) => {
      const caller = await dial(name);
      const isKnown = known(callee).has(name);
      const allowed = (rpc: Named) => own.some((one) => one.name === rpc.name && mayCall(name, one));
      const expected = (rpc: Named) => (allowed(rpc) ? ok : isKnown ? Code.PermissionDenied : noConnection);
      const before = mesh.services.get(callee)?.seen.length ?? 0;
      const { got, wanted } = await outcomes(caller, asked, expected);
      expect(got).toEqual(wanted);
      const reached = (mesh.services.get(callee)?.seen ?? []).slice(before).map(({ path }) => path);
      const may = asked.filter(allowed).map(({ name: rpc }) => `/${rpc}`);
      expect(reached).toEqual(isKnown ? protocols.flatMap(() => may) : []);
    });

    test('nobody else: another name, an expired certificate, a foreign authority, none, no TLS at all', async () => {
      const someone = [...known(callee)][0] ?? 'edge';
      const { trusted } = await mesh.identity(spiffeId(someone));
      const foreign = await (await CertificateAuthority.foreign()).mint({ uri: spiffeId(someone), days: 1 });
      const path = mesh.socketOf(callee, 'in');
      const none = { certificate: '', privateKey: '', trusted };
      const callers = {
        stranger: await dial('stranger'),
        expired: await dial(someone, -1),
        foreign: keep(Caller.overTls(path, callee, { ...foreign, trusted })),
        none: keep(Caller.overTls(path, callee, none)),
        plaintext: keep(Caller.overSocket(path, callee)),
      };
      const before = mesh.services.get(callee)?.seen.length ?? 0;
      for (const [name, caller] of Object.entries(callers)) {
        const { got, wanted } = await outcomes(caller, asked, () => noConnection);
        expect(got, name).toEqual(wanted);
      }
      expect(mesh.services.get(callee)?.seen.slice(before)).toEqual([]);
    });
  });

  test.each(contract.workloads)(
    'the own door of %s leads where the contract says, and nowhere else',
    async (workload) => {
      for (const callee of [...contract.workloads, 'nobody']) {
        const caller = keep(Caller.overSocket(mesh.socketOf(workload, 'out'), callee));
        const declared = calleesOf(workload).filter((rpc) => rpc.workload === callee && callee !== workload);
        const asked: Named[] = [...contract.rpcs, ...unknownRpcs(contract, callee)];
        const isDeclared = (rpc: Named) => declared.some(({ name }) => name === rpc.name);
        const { got, wanted } = await outcomes(caller, asked, (rpc) => (isDeclared(rpc) ? ok : Code.Unimplemented));
        expect(got).toEqual(wanted);
      }
    },
  );
});

type Named = Pick<ExpectedRpc, 'name' | 'desc'>;

/** The handshake is refused, so there is no status. */
const noConnection = 'no connection';

/** Whether the topology has the edge ask this workload for reflection. */
const reflects = ({ topology }: ContractUnderTest, workload: string): boolean =>
  new RegExp(`^ *reflection: ${workload}$`, 'm').test(topology);

/** An RPC that a known service does not have, and one of a service that nobody has. */
function unknownRpcs({ rpcs }: ContractUnderTest, callee: string): Named[] {
  const near = (rpcs.find(({ workload }) => workload === callee) ?? rpcs[0])?.desc.parent.typeName ?? '';
  return [near, 'nowhere.v1.NoService'].map((service) => {
    const desc = unaryMethod(service, 'NoSuchRpc');
    return { desc, name: `${service}/${desc.name}` };
  });
}

/** A method by any name, from Empty to Empty. */
function unaryMethod(service: string, name: string): DescMethod {
  const at = service.lastIndexOf('.');
  const empty = '.google.protobuf.Empty';
  const file = create(FileDescriptorProtoSchema, {
    name: 'unknown.proto',
    syntax: 'proto3',
    package: service.slice(0, at),
    dependency: [emptyFile.proto.name],
    service: [{ name: service.slice(at + 1), method: [{ name, inputType: empty, outputType: empty }] }],
  });
  const desc = createFileRegistry(file, (path) => (path === emptyFile.proto.name ? emptyFile : undefined)).getService(
    service,
  );
  if (desc?.methods[0] === undefined) throw new Error(`${service} has no ${name}`);
  return desc.methods[0];
}
