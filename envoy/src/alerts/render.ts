/** All rules of a contract, as files: one per workload that promises something, and one for the mesh. */
import type { Contract } from '../contract/contract.ts';
import type { DeclaredContract } from '../contract/declared.ts';
import { formatPosition } from '../contract/position.ts';
import type { OutputFile } from '../output.ts';
import { meshRules, type Place } from './mesh-rules.ts';
import { objectiveRules } from './objective-rules.ts';
import { ruleFile } from './rule.ts';

interface Input {
  readonly declared: DeclaredContract;
  readonly contract: Contract;
}

/** `mesh.yaml` and `objectives/<workload>.yaml` below `folder`. */
export function renderAlerts(folder: string, { declared, contract }: Input): OutputFile[] {
  const places = [...contract.workloads.keys()].map((workload) => placeOf(declared, workload));
  const objectives = [...contract.workloads.values()].flatMap((workload) => {
    const groups = workload.methods.flatMap((method) => {
      const at = declared.methods.get(method.fullName)?.locate(['objective']) ?? method.position;
      return objectiveRules(method, formatPosition(at));
    });
    const name = `${folder}/objectives/${workload.name}.yaml`;
    return groups.length === 0 ? [] : [ruleFile(name, `What the RPCs of ${workload.name} promise`, groups)];
  });
  return [ruleFile(`${folder}/mesh.yaml`, 'The mesh as a whole', meshRules(places)), ...objectives];
}

/** A workload, with the places of all its services. */
export function placeOf(declared: DeclaredContract, workload: string): Place {
  const services = declared.services.filter(({ policy }) => policy?.workload === workload);
  return { workload, source: services.map(({ position }) => formatPosition(position)).join(', ') };
}
