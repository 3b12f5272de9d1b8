/** Who calls whom, as Mermaid draws it. */
import type { Contract } from '../contract/contract.ts';

/** The workloads and the calls between them. Dashed: only in the background. */
export function workloadGraph(contract: Contract): string {
  const edges = new Map<string, { calls: number; waited: boolean }>();
  for (const method of contract.methods.values()) {
    if (method.exposure !== 'INTERNAL') edges.set(`edge --> ${method.workload}`, { calls: 0, waited: true });
    for (const { rpc, background } of method.calls) {
      const callee = contract.methods.get(rpc)?.workload ?? '';
      const key = `${method.workload} --> ${callee}`;
      const edge = edges.get(key) ?? { calls: 0, waited: false };
      edges.set(key, { calls: edge.calls + 1, waited: edge.waited || !background });
    }
  }
  const lines = [...edges].map(([key, { waited }]) => (waited ? key : key.replace('-->', '-.->')));
  return mermaid(lines.sort());
}

/** The RPCs that call others, and what they call. */
export function rpcGraph(contract: Contract): string {
  const ids = new Map<string, string>();
  const node = (fullName: string): string => {
    const id = ids.get(fullName) ?? `rpc${ids.size}`;
    ids.set(fullName, id);
    return `${id}["${fullName.slice(fullName.lastIndexOf('.', fullName.indexOf('/')) + 1)}"]`;
  };
  const lines = [...contract.methods.values()].flatMap(({ fullName, calls }) =>
    calls.map(({ rpc, background }) => `${node(fullName)} ${background ? '-.->' : '-->'} ${node(rpc)}`),
  );
  return lines.length > 0 ? mermaid(lines) : '';
}

const mermaid = (lines: readonly string[]): string =>
  ['```mermaid', 'graph LR', ...lines.map((line) => `  ${line}`), '```'].join('\n');
