/** Who is tested against whom, and the running of the cases for each pair. */

import * as grpc from '@grpc/grpc-js';
import { goProgram } from '../conformance/go-programs.ts';
import type { Caller } from './caller.ts';
import { CASES } from './cases.ts';
import { connectCaller } from './connect-caller.ts';
import { grpcJsCaller } from './grpc-js-caller.ts';
import { filesOf, type Identity, type Peer, runProgram, startGrpcGo, startGrpcJs, startServe } from './peers.ts';

/** What came of one case. */
export type Result = { readonly name: string; readonly ms: number; readonly failure: string | undefined };

/** How to run the cases. */
export type PairOptions = { readonly identity: Identity; readonly soakIterations: number };

/** A client and a server. Its `run` gives undefined where there is no Go, and either is of it. */
export type Pair = {
  readonly name: string;
  readonly needsGo: boolean;
  run(options: PairOptions): Promise<readonly Result[] | undefined>;
};

/** A case that has not ended by then hangs, in milliseconds; soaks get as much for each hundred of their iterations. */
const CASE_MAX_MS = 15_000;
/** What a soak allows a call, in milliseconds; grpc-go's own default. */
const SOAK_CALL_MAX_MS = 1_000;

/** Those of grpc-go's client that need no cloud, which are ours too but for the last. */
const GO_CASES = [...Object.keys(CASES), 'pick_first_unary'];

export const PAIRS: readonly Pair[] = [
  { name: 'grpc-go client, serve', needsGo: true, run: goClient },
  pair('grpc-js client, serve', startServe, grpcJs),
  pair('connect, serve', startServe, ours),
  pair('connect, grpc-js server', startGrpcJs, ours),
  { ...pair('connect, grpc-go server', startGrpcGo, ours), needsGo: true },
  // The cases themselves, without anything of ours.
  pair('grpc-js client, grpc-js server', startGrpcJs, grpcJs),
];

type MakeCaller = (address: string, identity: Identity) => Caller;

function grpcJs(address: string, identity: Identity): Caller {
  const credentials =
    identity === undefined ? grpc.credentials.createInsecure() : grpc.credentials.createSsl(Buffer.from(identity.cert));
  return grpcJsCaller(address, credentials);
}

function ours(address: string, identity: Identity): Caller {
  return connectCaller(address, identity?.cert);
}

function pair(name: string, start: (identity: Identity) => Promise<Peer | undefined>, make: MakeCaller): Pair {
  return {
    name,
    needsGo: false,
    async run({ identity, soakIterations }) {
      const peer = await start(identity);
      if (peer === undefined) return undefined;
      const fresh = () => make(peer.address, identity);
      const caller = fresh();
      const results: Result[] = [];
      try {
        for (const [name, run] of Object.entries(CASES)) {
          results.push(await timed(name, maxMsOf(name, soakIterations), () => run({ caller, fresh, soakIterations })));
        }
      } finally {
        caller.close();
        await peer.close();
      }
      return results;
    },
  };
}

async function goClient({ identity, soakIterations }: PairOptions): Promise<readonly Result[] | undefined> {
  const program = await goProgram('grpc-interop/client');
  if (program === undefined) return undefined;
  const server = await startServe(identity);
  const files = await filesOf(identity);
  const [host = '', port = ''] = server.address.split(':');
  const results: Result[] = [];
  try {
    for (const name of GO_CASES) {
      const maxMs = maxMsOf(name, soakIterations);
      const argv = [
        ...['-server_host', host, '-server_port', port, '-test_case', name],
        ...['-soak_iterations', `${soakIterations}`, '-soak_max_failures', '0'],
        ...['-soak_overall_timeout_seconds', `${maxMs / 1_000}`],
        ...['-soak_per_iteration_max_acceptable_latency_ms', `${SOAK_CALL_MAX_MS}`],
        ...(files === undefined ? [] : ['-use_tls', '-use_test_ca', '-ca_file', files.cert]),
        ...(files === undefined ? [] : ['-server_host_override', 'localhost']),
      ];
      const run = async () => {
        const { code, output } = await runProgram(program, argv, maxMs);
        if (code !== 0) throw new Error(`it ended with ${code}: ${output.slice(-1_000)}`);
      };
      results.push(await timed(name, maxMs + 1_000, run));
    }
  } finally {
    await files?.remove();
    await server.close();
  }
  return results;
}

function maxMsOf(name: string, soakIterations: number): number {
  return name.endsWith('_soak') ? CASE_MAX_MS * Math.max(1, Math.ceil(soakIterations / 100)) : CASE_MAX_MS;
}

async function timed(name: string, maxMs: number, run: () => Promise<void>): Promise<Result> {
  const began = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it hangs: no end after ${maxMs} ms`)), maxMs);
  });
  const failure = await Promise.race([run(), late]).then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  clearTimeout(timer);
  return { name, ms: performance.now() - began, failure };
}
