/** How long a call takes at half of what a server can do, all servers at the same rate, which does not wait for answers. */

import { measure } from '../compare.ts';
import type { Call } from '../load/calls.ts';
import type { Latency } from '../load/load.ts';
import { median, ratioOf } from '../statistics.ts';
import type { Case, CaseResult, Finding } from './case.ts';
import { chosen, serverSubject, startLoad, startServer } from './start.ts';

const VARIANTS = ['ours', 'grpc-js', 'bare'];
const CALL: Call = { protocol: 'grpc', rpc: 'PlaceOrder' };
/** A 99th percentile wants more calls than an average does. */
const LONGER = 3;

export const latencyCase: Case = {
  name: 'server-latency',
  title: 'Servers, gRPC unary, ms a call at a fixed rate: half of the peak of the slowest',
  variants: VARIANTS,
  async run(settings): Promise<CaseResult> {
    const load = await startLoad();
    const servers = await Promise.all(
      chosen(VARIANTS, settings).map(async (name) => {
        const worker = await startServer(name, { settings });
        const address = await worker.ask('address');
        return { name, address, subject: await serverSubject(name, { worker, load, call: CALL, settings }) };
      }),
    );
    const peaks: number[] = [];
    for (const { name, subject } of servers) {
      settings.progress(`the peak of ${name}`);
      await subject.verify();
      await subject.drive({ ms: settings.warmUpMs, calls: settings.warmUpCalls });
      peaks.push((await measure(subject, settings.roundMs * LONGER)).callsPerSecond);
    }
    const callsPerSecond = Math.floor(Math.min(...peaks) / 2);
    const took = new Map<string, Latency[]>(servers.map(({ name }) => [name, []]));
    const { connections } = settings;
    const flow = { call: CALL, connections, callsPerSecond, ms: settings.roundMs * LONGER };
    for (let round = 0; round < settings.rounds; round += 1) {
      for (const position of servers.keys()) {
        const server = servers[(round + position) % servers.length];
        if (server !== undefined) {
          settings.progress(`round ${round + 1} of ${settings.rounds}: ${server.name} at ${callsPerSecond} calls/s`);
          took.get(server.name)?.push(await load.ask('flow', { address: server.address, ...flow }));
        }
      }
    }
    const p99 = (name: string): number[] => (took.get(name) ?? []).map(({ p99Ms }) => p99Ms);
    const findings: Finding[] = took.has('grpc-js')
      ? [
          {
            side: 'server',
            against: 'grpc-js, p99 at half of the peak',
            ratio: ratioOf(p99('grpc-js'), p99('ours')),
            wanted: 1,
          },
        ]
      : [];
    const rows = servers.map(({ name }, index) => {
      const all = took.get(name) ?? [];
      return [
        name,
        Math.round(peaks[index] ?? 0).toString(),
        callsPerSecond.toString(),
        ...[
          median(all.map(({ p50Ms }) => p50Ms)),
          median(p99(name)),
          Math.min(...p99(name)),
          Math.max(...p99(name)),
        ].map((ms) => ms.toFixed(2)),
        ratioOf(p99(name), p99('ours')).median.toFixed(2),
      ];
    });
    const head = ['', 'peak, calls/s', 'rate, calls/s', 'p50', 'p99', 'least p99', 'most p99', 'p99 to ours'];
    return { tables: [{ title: this.title, head, rows }], findings, raw: { peaks, took: [...took] } };
  },
};
