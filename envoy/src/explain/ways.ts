/** How calls from outside come to an RPC that the edge does not let in: along `calls`, from RPCs that it does. */

import type { Contract } from '../contract/contract.ts';
import type { DeclaredContract } from '../contract/declared.ts';
import type { Step } from './explanation.ts';

/** The shortest way from each exposed RPC that leads to `rpc`, shortest first. */
export function waysFromTheEdge(contract: Contract, declared: DeclaredContract, rpc: string): Step[][] {
  const ways: Step[][] = [];
  const seen = new Set([rpc]);
  let layer: Step[][] = [[{ rpc, at: positionOf(declared, rpc) }]];
  while (layer.length > 0) {
    const next: Step[][] = [];
    for (const way of layer) {
      for (const method of contract.methods.values()) {
        const index = method.calls.findIndex((call) => call.rpc === way[0]?.rpc);
        if (index < 0 || seen.has(method.fullName)) continue;
        seen.add(method.fullName);
        const at = declared.methods.get(method.fullName)?.locate(['calls', index]) ?? method.position;
        const longer = [{ rpc: method.fullName, at }, ...way];
        if (method.exposure !== 'INTERNAL') ways.push(longer);
        next.push(longer);
      }
    }
    layer = next;
  }
  return ways;
}

function positionOf(declared: DeclaredContract, rpc: string): Step['at'] {
  const method = declared.methods.get(rpc);
  if (!method) throw new Error(`there is no RPC ${rpc}`);
  return method.position;
}
