/** What changed in who may call an RPC from inside of the mesh, and how often, and what its callers do without it. */
import type { Call, Contract } from '../contract/contract.ts';
import type { Position } from '../contract/position.ts';
import type { Change } from './change.ts';

/** One RPC of a caller that lists the callee. */
interface Entry {
  readonly by: string;
  readonly workload: string;
  readonly call: Call;
  readonly at: Position;
}

/** Changes of the entries in `calls` that name `rpc`. */
export function compareCallers(before: Contract, after: Contract, rpc: string): Change[] {
  const [were, are] = [entriesOf(before, rpc), entriesOf(after, rpc)];
  const workloads = new Set([...were, ...are].map(({ workload }) => workload));
  return [
    ...[...workloads].flatMap((workload) => compareWorkload(rpc, workload, were, are)),
    ...are.flatMap((entry) => compareEntry(rpc, were.find(({ by }) => by === entry.by)?.call, entry)),
  ];
}

function entriesOf({ methods }: Contract, rpc: string): Entry[] {
  return [...methods.values()].flatMap((method) =>
    method.calls
      .filter((call) => call.rpc === rpc)
      .map((call) => ({ by: method.fullName, workload: method.workload, call, at: method.position })),
  );
}

function compareWorkload(rpc: string, workload: string, were: readonly Entry[], are: readonly Entry[]): Change[] {
  const [was, is] = [were, are].map((entries) => entries.find((entry) => entry.workload === workload));
  if (is && !was)
    return [{ kind: 'caller-added', subject: rpc, text: `may be called by ${workload} (${is.by})`, at: is.at }];
  if (was && !is)
    return [{ kind: 'caller-removed', subject: rpc, text: `may no longer be called by ${workload}`, at: was.at }];
  return [];
}

function compareEntry(rpc: string, was: Call | undefined, { by, call, at }: Entry): Change[] {
  if (!was) return [];
  const changes: Change[] = [];
  if (was.maxTimes !== call.maxTimes) {
    const kind = call.maxTimes > was.maxTimes ? 'called-more-often' : 'called-less-often';
    const text = `is called up to ${call.maxTimes} times by one ${by}, and was up to ${was.maxTimes}`;
    changes.push({ kind, subject: rpc, text, at });
  }
  if (was.background !== call.background) {
    const text = call.background
      ? `is called in the background of ${by} only`
      : `is waited for by ${by}, and was called in its background`;
    changes.push({ kind: call.background ? 'not-waited-for' : 'waited-for', subject: rpc, text, at });
  }
  if (was.onFailure !== call.onFailure) {
    const degrades = call.onFailure === 'DEGRADE';
    const text = degrades
      ? `answers without ${rpc} when that fails`
      : `refuses when ${rpc} fails, and answered without it`;
    changes.push({ kind: degrades ? 'degrades-now' : 'degrades-no-more', subject: by, text, at });
  }
  return changes;
}
