/** Callers that are somebody, but nobody that may: refused by their certificate at the listener, or by the allow-list after it. */
import { edgeName, spiffeId } from '../blocks/names.ts';
import { callersOf } from '../contract/contract.ts';
import { type Evidence, fragmentsOf, type Verdict } from './evidence.ts';
import { explainRefusal } from './explain.ts';

type Judgement = Partial<Verdict> & Pick<Verdict, 'why' | 'mend'>;

/** The workload of a SPIFFE id, when the contract has it. */
function workloadOfPeer({ mesh }: Evidence, peer: string): string | undefined {
  const names = [edgeName, ...mesh.contract.workloads.keys()];
  return names.find((name) => spiffeId(mesh.topology.trustDomain, name) === peer);
}

/** A handshake that ended at the listener's list of identities. */
export function peersRefused(evidence: Evidence): Judgement {
  const { line, bootstraps, workload } = evidence;
  const peer = /SANs_are_\[([^\]]*)\]/.exec(line.tls_failure ?? '')?.[1] ?? line.peer ?? '';
  const caller = workloadOfPeer(evidence, peer);
  const callee = workload ?? 'the workload that wrote this line';
  const fragments = workload === undefined ? [] : fragmentsOf(() => bootstraps.peersOfListener(workload));
  if (caller === undefined) {
    return {
      why: `${peer} is an identity that no contract knows`,
      mend: 'Give its process the certificate of a workload, or write a service with that workload',
      fragments,
    };
  }
  return {
    why: `no RPC of ${caller} declares a call to any RPC of ${callee}, so the listener does not know ${peer}`,
    mend: `Add \`calls: {rpc: "..."}\` to the policy of the RPC of ${caller} that needs it, and generate again`,
    sources: (evidence.mesh.contract.workloads.get(caller)?.methods ?? []).slice(0, 1).map(({ position }) => position),
    fragments,
  };
}

/** RBAC at a callee: a workload of the mesh, an RPC that it does not declare. */
export function allowListRefused(evidence: Evidence): Judgement {
  const { line, method, workload, bootstraps, mesh, declared } = evidence;
  const peer = line.peer ?? 'the caller';
  if (!method || workload === undefined) {
    return {
      why: `${peer} called an RPC that ${workload ?? 'this workload'} does not have; what is on no list is denied`,
      mend: 'Look for a misspelt path, a client that is newer than the service, or a call to the wrong authority',
      fragments: workload === undefined ? [] : fragmentsOf(() => bootstraps.unknownRoute(workload, 'inbound')),
    };
  }
  const fragments = fragmentsOf(() => bootstraps.allowList(workload, method.fullName));
  const caller = workloadOfPeer(evidence, peer);
  if (caller === undefined) {
    return { why: `${peer} is an identity that no contract knows`, mend: 'Call as a workload of the mesh', fragments };
  }
  const callers = callersOf(mesh.contract, method);
  if (callers.includes(caller) || (caller === edgeName && method.exposure !== 'INTERNAL')) {
    return {
      why: `the sidecar of ${workload} does not know that ${caller} may call ${method.fullName}, though this contract says so`,
      mend: `\`weft check --against\` its state folder tells what it runs; deploy what is generated now`,
      sources: [method.position],
      fragments,
    };
  }
  const refusal = explainRefusal({ mesh, declared, bootstraps, caller, method, declaredBy: [] });
  return {
    why: `${caller} declares no call to ${method.fullName}: ${refusal.why}`,
    mend: refusal.mend,
    sources: refusal.places.map(({ at }) => at),
    fragments,
  };
}
