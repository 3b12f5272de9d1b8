/** What a topology tightens more or less than it did, beyond what changed in the contract itself. */
import type { Mesh } from '../bootstrap/mesh.ts';
import type { Change } from './change.ts';
import { compareContracts } from './contracts.ts';

/** Changes of topologies that are on both sides; one that comes or goes promises nothing to anyone. */
export function compareTopologies(before: readonly Mesh[], after: readonly Mesh[], told: readonly Change[]): Change[] {
  const known = new Set(told.map(keyOf));
  return after.flatMap(({ topology, contract }) => {
    const was = before.find((mesh) => mesh.topology.name === topology.name);
    if (!was) return [];
    return compareContracts(was.contract, contract)
      .filter((change) => !known.has(keyOf(change)))
      .map((change) => ({ ...change, topology: topology.name, at: positionOf(topology, change) }));
  });
}

const keyOf = ({ kind, subject }: Change): string => `${kind} ${subject}`;

/** Where the topology tightens the subject; where it no longer does, its file has no line for it. */
const positionOf = ({ tighten, file }: Mesh['topology'], { subject }: Change): Change['at'] =>
  tighten.find((entry) => entry.subject === subject)?.at ?? { file, line: 1 };
