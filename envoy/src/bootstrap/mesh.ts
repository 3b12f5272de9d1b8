/** What every bootstrap of one topology is made from. */
import type { BlockMap } from '../blocks/block.ts';
import { calleeCluster } from '../blocks/clusters.ts';
import { upstreamTls } from '../blocks/tls.ts';
import type { Contract, Workload } from '../contract/contract.ts';
import type { Topology } from '../topology/topology.ts';
import { canaryCluster } from './canary.ts';

/** A contract as one topology keeps it. */
export interface Mesh {
  readonly contract: Contract;
  readonly topology: Topology;
}

/** The workload of a name that the contract itself gave. */
export function workloadOf({ contract }: Mesh, name: string): Workload {
  const workload = contract.workloads.get(name);
  if (!workload) throw new Error(`the contract has no workload ${name}`);
  return workload;
}

/** The clusters by which `caller` reaches `callee`: one, or two while it has a second version. */
export function clustersBetween(mesh: Mesh, caller: string, callee: string): BlockMap[] {
  const { trustDomain, placeOf, canaries } = mesh.topology;
  const { certificates } = placeOf(caller);
  const transportSocket = upstreamTls({ certificates, trustDomain }, callee);
  const workload = workloadOf(mesh, callee);
  const { reachedAt } = placeOf(callee);
  const canary = canaries.get(callee);
  const second = { ...workload, name: canaryCluster(callee) };
  return [
    calleeCluster(workload, reachedAt, transportSocket),
    ...(canary ? [calleeCluster(second, canary.reachedAt, transportSocket, reachedAt)] : []),
  ];
}
