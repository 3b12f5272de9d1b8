/**
 * Every RPC between two workloads, in numbers.
 */

import type { CallStats } from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import { toMs } from '../format/measures.ts';
import { shortName } from '../format/names.ts';
import { isStream } from '../rpc/policy.ts';
import { formatCallsPerSecond, formatLatency } from './graph.ts';

export function CallsTable({ calls }: { calls: readonly CallStats[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reached by the keyboard.
    <section className="table-scroll" tabIndex={0} aria-label="Calls, scrolls sideways">
      <table className="table">
        <caption>Calls by RPC</caption>
        <thead>
          <tr>
            <th scope="col">From</th>
            <th scope="col">To</th>
            <th scope="col">RPC</th>
            <th scope="col" className="number">
              Rate
            </th>
            <th scope="col" className="number">
              Failed
            </th>
            <th scope="col" className="number">
              p50
            </th>
            <th scope="col" className="number">
              p95
            </th>
            <th scope="col" className="number">
              p99
            </th>
            <th scope="col" className="number">
              Since start
            </th>
          </tr>
        </thead>
        <tbody>
          {calls.map((call) => {
            const quiet = call.callCount === 0n;
            // How long a stream stayed open says nothing of its speed.
            const latency = (value: CallStats['latencyP50']) =>
              formatLatency(quiet || value === undefined || isStream(call.rpc) ? undefined : toMs(value));
            return (
              <tr key={`${call.caller} ${call.callee} ${call.rpc}`} data-quiet={quiet}>
                <td>
                  <span className="workload" data-workload={call.caller}>
                    {call.caller}
                  </span>
                </td>
                <td>
                  <span className="workload" data-workload={call.callee}>
                    {call.callee}
                  </span>
                </td>
                <th scope="row">{shortName(call.rpc)}</th>
                <td className="number">{formatCallsPerSecond(Number(call.milliCallsPerSecond) / 1_000)}</td>
                <td className="number" title={codes(call)} data-bad={call.failureCount > 0n}>
                  {String(call.failureCount)}
                  {call.failureCount > 0n && <small> {codes(call)}</small>}
                </td>
                <td className="number">{latency(call.latencyP50)}</td>
                <td className="number">{latency(call.latencyP95)}</td>
                <td className="number">{latency(call.latencyP99)}</td>
                <td className="number">{String(call.totalCallCount)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

function codes(call: CallStats): string {
  return Object.entries(call.failuresByCode)
    .map(([code, count]) => `${code} × ${String(count)}`)
    .join(', ');
}
