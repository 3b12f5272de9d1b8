/** The whole way of the compiler, from descriptors to files: read, check, settle, render. It touches no file itself. */
import type { DescFile, FileRegistry } from '@bufbuild/protobuf';
import { renderAlerts } from './alerts/render.ts';
import type { Mesh } from './bootstrap/mesh.ts';
import { renderBootstraps } from './bootstrap/render.ts';
import { findProblems } from './checks/all.ts';
import { findTightenedProblems } from './checks/tightened.ts';
import type { Contract } from './contract/contract.ts';
import type { DeclaredContract } from './contract/declared.ts';
import { formatProblems, type Problem } from './contract/problem.ts';
import { readContract } from './contract/read.ts';
import { settle } from './contract/settle.ts';
import { renderDashboards } from './dashboards/render.ts';
import { renderExposedServices } from './exposed-services.ts';
import { InputError } from './input-error.ts';
import type { OutputFile } from './output.ts';
import { renderPolicyTable } from './policy-table.ts';
import { renderReference } from './reference/render.ts';
import { renderServiceConfigs } from './service-config.ts';
import { findClashes } from './topology/clashes.ts';
import { readTopology, type TopologyFile } from './topology/read.ts';
import { tighten } from './topology/tighten.ts';

/** What the compiler is given. */
export interface Input {
  /** All descriptors, imports included. */
  readonly registry: FileRegistry;
  /** The files whose services are compiled. */
  readonly files: readonly DescFile[];
  /** The folder of the buf module, put before file names in messages and comments; empty for none. */
  readonly sourceRoot: string;
  /** The topologies to write Envoy configuration for. */
  readonly topologies: readonly TopologyFile[];
  /** Where to write the policy table, below the output folder. Absent: not at all. */
  readonly policyTable?: string | undefined;
  /** Where to write the list of the services that the edge exposes, below the output folder. Absent: not at all. */
  readonly exposedServices?: string | undefined;
  /** Where to write the gRPC service configs, below the output folder. Absent: not at all. */
  readonly serviceConfig?: string | undefined;
  /** Where to write the API reference, below the output folder. Absent: not at all. */
  readonly reference?: string | undefined;
  /** The folder of Prometheus rules, below the output folder. Absent: none. */
  readonly alerts?: string | undefined;
  /** The folder of Grafana dashboards, below the output folder. Absent: none. */
  readonly dashboards?: string | undefined;
}

/** Everything that has to be mended before anything is generated. */
export class ContractError extends Error {
  override readonly name = 'ContractError';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(formatProblems(problems));
    this.problems = problems;
  }
}

/** A contract without problems, as it was written and as it is meant. */
export interface Understood {
  readonly declared: DeclaredContract;
  readonly contract: Contract;
  /** The contract as each topology keeps it. */
  readonly meshes: readonly Mesh[];
}

/** Compiles a contract. Throws one ContractError with all problems at once. */
export function compile(input: Input): OutputFile[] {
  const { declared, contract, meshes } = understand(input);
  return atOnePathEach([
    ...(input.policyTable ? [{ name: input.policyTable, content: renderPolicyTable(contract) }] : []),
    ...(input.exposedServices
      ? [{ name: input.exposedServices, content: renderExposedServices(input.exposedServices, { ...input, contract }) }]
      : []),
    ...meshes.flatMap(renderBootstraps),
    ...(input.serviceConfig ? renderServiceConfigs(input.serviceConfig, contract) : []),
    ...(input.reference ? renderReference(input.reference, { ...input, declared, contract }) : []),
    ...(input.alerts ? renderAlerts(input.alerts, { declared, contract }) : []),
    ...(input.dashboards ? renderDashboards(input.dashboards, { declared, contract }) : []),
  ]);
}

/** Two outputs at one path would be half written: buf keeps one of them. */
function atOnePathEach(files: OutputFile[]): OutputFile[] {
  const names = files.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined)
    throw new InputError(`two outputs would be written to ${twice}. Give each option another path`);
  return files;
}

/** Everything before rendering. Throws one ContractError with all problems at once. */
export function understand(input: Pick<Input, 'registry' | 'files' | 'sourceRoot' | 'topologies'>): Understood {
  const declared = readContract(input.registry, input.files, input.sourceRoot);
  const problems = findProblems(declared);
  if (problems.length > 0) throw new ContractError(problems);
  const contract = settle(declared);
  const meshes = input.topologies.map((file) => {
    const topology = readTopology(file, problems);
    const tightened = tighten(contract, topology, problems);
    problems.push(...findTightenedProblems(tightened, topology), ...findClashes(topology, contract.workloads.keys()));
    return { topology, contract: tightened };
  });
  if (problems.length > 0) throw new ContractError(problems);
  return { declared, contract, meshes };
}
