/**
 * Soak: ten minutes at half of what the pair of client and server can do, calls of every kind among them, and a look at what either holds
 * every half minute. `npm run soak`, or `npm run soak -- 1` for a minute. Fails when a call does, or when heap or handles grow.
 */

import { fork } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { connect } from '../../src/client/connect.ts';
import { closeEgress } from '../../src/client/egress.ts';
import { EchoService } from '../echo.ts';

const MINUTES_DEFAULT = 10;
const CALLERS = 32;
const PEAK_MS = 3_000;
const LOOKS = 20;
const SETTLE_MS = 500;
/** Between the first third of the looks and the last: what may be noise. */
const HEAP_GROWTH_MAX_BYTES = 2 * 1024 * 1024;

type Held = { readonly heapBytes: number; readonly handles: number };

setFlagsFromString('--expose-gc');
const gc: () => void = runInNewContext('gc');
const minutes = Number(process.argv[2] ?? MINUTES_DEFAULT);
if (!(minutes > 0)) {
  process.stderr.write('usage: npm run soak -- <minutes>\n');
  process.exit(2);
}
const child = fork(new URL('./soak-server.ts', import.meta.url), { execArgv: ['--expose-gc'] });
const answerOf = <T>() => new Promise<T>((resolve) => child.once('message', (message) => resolve(message as T)));
const { address } = await answerOf<{ address: string }>();
const clients = [
  connect(EchoService, { egress: address }),
  connect(EchoService, { egress: address, protocol: 'connect', format: 'json' }),
  connect(EchoService, { egress: address, fastLane: false }),
];

let calls = 0;
/** One call, one in fifty of them a stream, one in a hundred a failure. */
async function call(): Promise<void> {
  const number = calls++;
  const client = clients[number % 20 === 0 ? 2 : number % 2];
  if (number % 100 === 0) {
    const refused = await client?.echo({ count: -1 }).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (refused === undefined) {
      throw new Error('what breaks a rule was not refused');
    }
  } else if (number % 50 === 1) {
    const answers = await Array.fromAsync(client?.count({ text: 'x', count: 5 }) ?? []);
    if (answers.length !== 5) {
      throw new Error(`${answers.length} answers instead of 5`);
    }
  } else {
    await client?.echo({ text: `call ${number}`, count: 7 }, { timeoutMs: 5_000 });
  }
}

async function drive(ms: number, callsPerSecond: number): Promise<number> {
  const startedMs = performance.now();
  const startedCalls = calls;
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      while (performance.now() - startedMs < ms) {
        const aheadMs = ((calls - startedCalls) / callsPerSecond) * 1_000 - (performance.now() - startedMs);
        if (aheadMs > 1) {
          await delay(aheadMs);
        }
        await call();
      }
    }),
  );
  return ((calls - startedCalls) / (performance.now() - startedMs)) * 1_000;
}

async function look(): Promise<{ readonly server: Held; readonly client: Held }> {
  const server = answerOf<Held>();
  child.send('what do you hold?');
  gc();
  const { heapUsed, external } = process.memoryUsage();
  const client = {
    heapBytes: heapUsed + external,
    handles: process.getActiveResourcesInfo().filter((kind) => kind !== 'Timeout').length,
  };
  return { server: await server, client };
}

const peak = await drive(PEAK_MS, Number.POSITIVE_INFINITY);
process.stdout.write(`peak ${Math.round(peak)} calls/s; ${minutes} min at half of it\n`);
const looks: Awaited<ReturnType<typeof look>>[] = [];
for (let n = 0; n < LOOKS; n += 1) {
  await drive((minutes * 60_000) / LOOKS, peak / 2);
  // What was just answered still closes its streams.
  await delay(SETTLE_MS);
  const held = await look();
  looks.push(held);
  const [server, client] = [held.server, held.client].map(
    ({ heapBytes, handles }) => `${(heapBytes / 1024 / 1024).toFixed(2)} MiB, ${handles} handles`,
  );
  process.stdout.write(`${calls} calls; server ${server}; client ${client}\n`);
}
child.disconnect();
closeEgress();

const third = Math.floor(LOOKS / 3);
const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
let hasGrown = false;
for (const side of ['server', 'client'] as const) {
  const growth = (of: (held: Held) => number) =>
    median(looks.slice(-third).map((held) => of(held[side]))) -
    median(looks.slice(0, third).map((held) => of(held[side])));
  const [bytes, handles] = [growth(({ heapBytes }) => heapBytes), growth((held) => held.handles)];
  hasGrown ||= bytes > HEAP_GROWTH_MAX_BYTES || handles > CALLERS / 2;
  process.stdout.write(`${side}: heap ${bytes >= 0 ? '+' : ''}${(bytes / 1024).toFixed(0)} KiB, handles ${handles}\n`);
}
process.stdout.write(hasGrown ? 'it grows\n' : `flat, ${calls} calls, 0 failed\n`);
process.exit(hasGrown ? 1 : 0);
