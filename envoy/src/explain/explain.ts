/** May this caller call this RPC: the answer with its way, or the refusal with its mend. */
import { edgeName, spiffeId } from '../blocks/names.ts';
import type { Mesh } from '../bootstrap/mesh.ts';
import { type Contract, calleesOf, callersOf, type Method } from '../contract/contract.ts';
import type { DeclaredContract } from '../contract/declared.ts';
import { Bootstraps } from './bootstraps.ts';
import type { Declaration, Explanation, Fact, Refusal, Step } from './explanation.ts';
import { hopsOf, optionAt, type Question } from './hops.ts';
import { waysFromTheEdge } from './ways.ts';

/** What is asked. `caller` and `rpc` have to exist. */
export interface Asked {
  readonly mesh: Mesh;
  readonly declared: DeclaredContract;
  /** The plugin's `out`. */
  readonly out: string;
  readonly caller: string;
  readonly rpc: string;
}

export function explain({ mesh, declared, out, caller, rpc }: Asked): Explanation {
  const { contract } = mesh;
  const method = contract.methods.get(rpc);
  if (!method) throw new Error(`there is no RPC ${rpc}`);
  const declaredBy = declarationsOf(contract, declared, caller, rpc);
  const question: Question = { mesh, declared, bootstraps: new Bootstraps(mesh, out), caller, method, declaredBy };
  const allowed = caller === edgeName ? method.exposure !== 'INTERNAL' : declaredBy.length > 0;
  return {
    caller,
    rpc,
    callee: method.workload,
    topology: mesh.topology.name,
    at: method.position,
    allowed,
    declaredBy,
    hops: allowed ? hopsOf(question) : [],
    refusal: allowed ? undefined : explainRefusal(question),
    waysFromTheEdge: method.exposure === 'INTERNAL' ? waysFromTheEdge(contract, declared, rpc) : [],
  };
}

/** The RPCs of `caller` that list `rpc` in their `calls`. */
export function declarationsOf(
  contract: Contract,
  declared: DeclaredContract,
  caller: string,
  rpc: string,
): Declaration[] {
  return (contract.workloads.get(caller)?.methods ?? []).flatMap((method) =>
    method.calls.flatMap((call, index) => {
      if (call.rpc !== rpc) return [];
      const at = declared.methods.get(method.fullName)?.locate(['calls', index]) ?? method.position;
      const { maxTimes, parallel, background, onFailure } = call;
      return [{ rpc: method.fullName, at, maxTimes, parallel, background, onFailure }];
    }),
  );
}

/** Why a call that is not allowed is not, and how to mend it. */
export function explainRefusal(question: Question): Refusal {
  const { caller, method } = question;
  if (caller === edgeName) return notExposed(question);
  if (caller === method.workload) {
    return {
      why: `${caller} is the workload that answers it, and a workload does not call itself through the mesh`,
      mend: 'Call the implementation in the process',
      places: [],
      seen: [],
    };
  }
  return undeclared(question);
}

function notExposed(question: Question): Refusal {
  const { method, bootstraps } = question;
  return {
    why: 'its exposure is INTERNAL, so the edge has no route to it',
    mend: 'Set `exposure: EXPOSURE_AUTHENTICATED` with `scopes`, or `EXPOSURE_PUBLIC` with a `rate_limit`',
    places: [{ rpc: method.fullName, at: optionAt(question, ['exposure']) }],
    seen: [
      {
        name: 'client',
        text: 'UNIMPLEMENTED: the edge offers no such RPC',
        sources: [],
        fragments: [bootstraps.unknownRoute(edgeName, 'edge')],
      },
    ],
  };
}

function undeclared(question: Question): Refusal {
  const { mesh, declared, caller, method } = question;
  const own = mesh.contract.workloads.get(caller)?.methods ?? [];
  const way = wayBetween(mesh.contract, method.workload, caller);
  const why = `no RPC of ${caller} lists it in \`calls\``;
  if (way) {
    return {
      why: `${why}, and none may: ${way.join(' calls ')} already, so that it would close a circle`,
      mend: `Have ${caller} learn of it otherwise, such as by a stream that ${method.workload} reads from it`,
      places: [],
      seen: seenByUndeclared(question),
    };
  }
  const places: Step[] = own.map(({ fullName, position }) => {
    return { rpc: fullName, at: declared.methods.get(fullName)?.locate([]) ?? position };
  });
  return {
    why,
    mend: `Add \`calls: {rpc: "${method.fullName}"}\` to the policy of the RPC that needs it`,
    places,
    seen: seenByUndeclared(question),
  };
}

function seenByUndeclared({ mesh, bootstraps, caller, method }: Question): Fact[] {
  const { trustDomain } = mesh.topology;
  const callee = method.workload;
  const peers = new Set(mesh.contract.workloads.get(callee)?.methods.flatMap((m) => callersOf(mesh.contract, m)));
  const identity = spiffeId(trustDomain, caller);
  return [
    {
      name: caller,
      text: `UNIMPLEMENTED from its own sidecar: ${caller} declares no such call`,
      sources: [],
      fragments: [bootstraps.unknownRoute(caller, 'outbound')],
    },
    {
      name: 'past it',
      text: peers.has(caller)
        ? `PERMISSION_DENIED from the sidecar of ${callee}: ${identity} is not on the list of this RPC`
        : `no connection: the sidecar of ${callee} refuses the certificate of ${identity}`,
      sources: [],
      fragments: peers.has(caller)
        ? [bootstraps.allowList(callee, method.fullName)]
        : [bootstraps.peersOfListener(callee)],
    },
  ];
}

/** Workloads from `from` to `to` along declared calls, both included, or undefined when there is no way. */
export function wayBetween(contract: Contract, from: string, to: string): string[] | undefined {
  let ways: string[][] = [[from]];
  const seen = new Set([from]);
  while (ways.length > 0) {
    const next: string[][] = [];
    for (const way of ways) {
      const last = way.at(-1) ?? from;
      if (last === to) return way;
      const workload = contract.workloads.get(last);
      for (const callee of workload ? calleesOf(contract, workload).keys() : []) {
        if (seen.has(callee)) continue;
        seen.add(callee);
        next.push([...way, callee]);
      }
    }
    ways = next;
  }
  return undefined;
}

/** The RPCs that a word may mean: the one of this full name, else all that end with it after a dot or slash. */
export function rpcsNamed(contract: Contract, word: string): Method[] {
  const wanted = word.replace(/^\//, '');
  const exact = contract.methods.get(wanted);
  if (exact) return [exact];
  const dotted = `.${wanted.replace('/', '.')}`.toLowerCase();
  return [...contract.methods.values()].filter(({ fullName }) =>
    `.${fullName.replace('/', '.')}`.toLowerCase().endsWith(dotted),
  );
}
