/**
 * The drawing of the mesh: workloads as knots, calls as threads, thicker with the rate, red where calls fail. The table below it
 * says the same in numbers, so that screen readers are sent there.
 */

import type { Topology } from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import {
  curve,
  formatCallsPerSecond,
  formatLatency,
  HEIGHT,
  type Link,
  linksOf,
  NODE_HEIGHT,
  NODE_WIDTH,
  type Node,
  placeNodes,
  thickness,
  WIDTH,
} from './graph.ts';

export function TopologyGraph({ topology }: { topology: Topology }) {
  const links = linksOf(topology.calls);
  const nodes = new Map(placeNodes(topology, links).map((node) => [node.name, node]));
  const drawn = links.flatMap((link) => {
    const from = nodes.get(link.caller);
    const to = nodes.get(link.callee);
    return from === undefined || to === undefined || from === to ? [] : [{ link, ...curve(from, to) }];
  });
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reached by the keyboard.
    <section className="graph" tabIndex={0} aria-label="Drawing of the mesh; the table below has the same numbers">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={describe(links)}>
        <defs>
          <marker
            id="arrow"
            viewBox="0 0 8 8"
            refX="1"
            refY="4"
            markerWidth="8"
            markerHeight="8"
            markerUnits="userSpaceOnUse"
            orient="auto"
          >
            <path className="thread-head" d="M0 0.500 8 4 0 7.500z" />
          </marker>
        </defs>
        {drawn.map(({ link, path }) => (
          <g
            key={`${link.caller} ${link.callee}`}
            className="thread"
            data-failing={link.failureCount > 0}
            data-quiet={link.callCount === 0}
          >
            <path d={path} strokeWidth={thickness(link.callsPerSecond)} markerEnd="url(#arrow)" />
            {link.callCount > 0 && <path className="thread-flow" d={path} />}
          </g>
        ))}
        {drawn.map(({ link, labelX, labelY }) => (
          <Label key={`${link.caller} ${link.callee}`} link={link} x={labelX} y={labelY} />
        ))}
        {[...nodes.values()].map((node) => (
          <Knot key={node.name} node={node} />
        ))}
      </svg>
    </section>
  );
}

function Knot({ node }: { node: Node }) {
  return (
    <g
      className="knot"
      data-workload={node.name}
      data-live={node.live}
      transform={`translate(${node.x - NODE_WIDTH / 2} ${node.y - NODE_HEIGHT / 2})`}
    >
      <rect width={NODE_WIDTH} height={NODE_HEIGHT} rx="10" />
      <rect className="knot-mark" width="6" height={NODE_HEIGHT - 20} x="10" y="10" rx="3" />
      <text x="28" y="26" className="knot-name">
        {node.name}
      </text>
      <text x="28" y="44" className="knot-state">
        {node.live ? 'answers' : 'does not answer'}
      </text>
    </g>
  );
}

function Label({ link, x, y }: { link: Link; x: number; y: number }) {
  if (link.callCount === 0) {
    return null;
  }
  const rate = formatCallsPerSecond(link.callsPerSecond);
  const failed = link.failureCount > 0 ? `${((link.failureCount / link.callCount) * 100).toFixed(1)} % failed` : '';
  const speed = link.p95Ms === undefined ? '' : `p95 ${formatLatency(link.p95Ms)}`;
  const below = [
    { text: speed, className: 'thread-speed' },
    { text: failed, className: 'thread-failed' },
  ].filter(({ text }) => text !== '');
  return (
    <g className="thread-label" transform={`translate(${x} ${y})`} data-failing={link.failureCount > 0}>
      <rect x="-50" y="-19" width="100" height={22 + below.length * 14} rx="8" />
      <text y="-4">{rate}</text>
      {below.map(({ text, className }, index) => (
        <text key={className} y={11 + index * 14} className={className}>
          {text}
        </text>
      ))}
    </g>
  );
}

function describe(links: readonly Link[]): string {
  const busy = links.filter(({ callCount }) => callCount > 0);
  return busy.length === 0
    ? 'No calls between the workloads in the last seconds.'
    : busy.map((link) => `${link.caller} calls ${link.callee} ${formatCallsPerSecond(link.callsPerSecond)}`).join('; ');
}
