/** What every bootstrap of one topology is made from. */
import type { BlockMap } from '../blocks/block.ts';
import { calleeCluster } from '../blocks/clusters.ts';
import { upstreamTls } from '../blocks/tls.ts';
import type { Contract, Workload } from '../contract/contract.ts';
import type { Topology } from '../topology/topology.ts';

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

/** The cluster by which `caller` reaches `callee`. */
export function clusterBetween(mesh: Mesh, caller: string, callee: string): BlockMap {
  const { trustDomain, placeOf } = mesh.topology;
  const { certificates } = placeOf(caller);
  const transportSocket = upstreamTls({ certificates, trustDomain }, callee);
  return calleeCluster(workloadOf(mesh, callee), placeOf(callee).reachedAt, transportSocket);
}
