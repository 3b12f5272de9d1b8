/** Programs that judge `serve` in other ways than by gRPC's cases: h2spec by the rules of HTTP/2, grpc-health-probe as a cluster does. */

import { goProgram, NO_GO } from '../conformance/go-programs.ts';
import { runProgram, startServe } from './peers.ts';

/** What a program found, in a line. */
export type Verdict = { readonly line: string; readonly isGood: boolean };

/** Of the 145 tests of h2spec, how many node:http2 itself passes: what is served by it cannot pass more, and must not pass fewer. */
export const HTTP2_PASSED_BY_NODE = 131;
const HTTP2_MAX_MS = 300_000;
const PROBE_MAX_MS = 10_000;

/** h2spec, every test of it. */
export async function specifyHttp2(): Promise<Verdict> {
  return await judge('h2spec', async (program, [host, port]) => {
    const { output } = await runProgram(program, ['-h', host, '-p', port], HTTP2_MAX_MS);
    const [, tests, passed] = /(\d+) tests, (\d+) passed/.exec(output) ?? [];
    return {
      line: `h2spec: ${passed ?? 'none'} of ${tests ?? 'its tests'} passed, ${HTTP2_PASSED_BY_NODE} by node:http2 itself`,
      isGood: Number(passed ?? 0) >= HTTP2_PASSED_BY_NODE,
    };
  });
}

/** grpc-health-probe, of the process and of a service. */
export async function probeHealth(): Promise<Verdict> {
  return await judge('grpc-health-probe', async (program, [host, port]) => {
    const services = ['', 'grpc.testing.TestService'];
    const said = [];
    for (const service of services) {
      const { code, output } = await runProgram(
        program,
        ['-addr', `${host}:${port}`, '-service', service],
        PROBE_MAX_MS,
      );
      said.push(code === 0 ? 'SERVING' : output.trim());
    }
    return { line: `grpc-health-probe: ${said.join(', ')}`, isGood: said.every((one) => one === 'SERVING') };
  });
}

type Judge = (program: string, at: readonly [host: string, port: string]) => Promise<Verdict>;

async function judge(name: 'h2spec' | 'grpc-health-probe', run: Judge): Promise<Verdict> {
  const program = await goProgram(name);
  if (program === undefined) return { line: `${name}: not run, ${NO_GO}`, isGood: false };
  const server = await startServe(undefined);
  try {
    const [host = '', port = ''] = server.address.split(':');
    return await run(program, [host, port]);
  } finally {
    await server.close();
  }
}
