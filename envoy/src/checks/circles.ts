/** Finds circles in a directed graph. */

/**
 * One circle per group of nodes that reach each other, as a walk that ends where it began: `[a, b, a]`. Neighbours that are not
 * nodes themselves are passed over. Deterministic: nodes and neighbours are visited in the order given.
 */
export function findCircles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const circles: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];

  const visit = (node: string): void => {
    const start = path.indexOf(node);
    if (start >= 0) {
      circles.push([...path.slice(start), node]);
      return;
    }
    if (done.has(node)) return;
    path.push(node);
    for (const neighbour of graph.get(node) ?? []) if (graph.has(neighbour)) visit(neighbour);
    path.pop();
    done.add(node);
  };

  for (const node of graph.keys()) visit(node);
  return circles;
}
