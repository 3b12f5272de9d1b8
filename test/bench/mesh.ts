/**
 * `npm run bench:mesh`: what each layer of the mesh costs a unary call of 1 kB from pricing to inventory, side by side in one run: all
 * ways stand at once and take turns, round by round. Linux only, since it reads /proc.
 *
 *   --rounds 4      how often each way has its turn
 *   --seconds 3     how long a turn is, at each rate
 *   --parts         everything, and everything without one part, instead of the layers
 *
 * The machine itself changes speed from minute to minute, so ratios are of the same round, and an Envoy's CPU is compared by what
 * the callee's process used in the same seconds.
 */
import { parseArgs } from 'node:util';
import { create, toBinary } from '@bufbuild/protobuf';
import { BatchGetItemsRequestSchema } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { type Fleet, startFleet, type Way } from './mesh/fleet.ts';
import { layers, parts } from './mesh/layers.ts';
import { costTable, latencyTable, percentiles, type Row, type Sample, verdicts } from './mesh/report.ts';
import { cpuMs, memoryMb } from './mesh/usage.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '3' },
    parts: { type: 'boolean', default: false },
  },
});
const rounds = Number(options.rounds);
const turnMs = Number(options.seconds) * 1000;
const rates = options.parts ? [1000] : [1000, 100];
const warmMs = 500;

const rpc = 'weft.inventory.v1.ItemService/BatchGetItems';
const skus = Array.from({ length: 16 }, (_, index) => `SKU-${index}-`.padEnd(61, 'X'));
const message = toBinary(BatchGetItemsRequestSchema, create(BatchGetItemsRequestSchema, { skus }));

const fleet = await startFleet(options.parts ? parts : layers, rpc, message);
try {
  print(await measure(fleet));
  const failed = fleet.ways.reduce((sum, { load }) => sum + load.failed, 0);
  if (failed > 0)
    process.stdout.write(`${failed} calls failed: the machine stood still for moments, and figures mean little.\n`);
} finally {
  await fleet.stop();
}
process.exit(); // Connections of the load stay open.

async function measure({ ways, node }: Fleet): Promise<Row[]> {
  const samples = ways.map(() => new Map<number, Sample[]>(rates.map((rate) => [rate, []])));
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, way] of ways.entries()) {
      await way.load.run(500, warmMs);
      for (const rate of rates) samples[index]?.get(rate)?.push(await turn(way, node, rate));
    }
    process.stderr.write(`round ${round + 1} of ${rounds}\n`);
  }
  return ways.map(({ name, envoys }, index) => ({
    name,
    samples: samples[index] ?? new Map(),
    memory: envoys.map(memoryMb),
  }));
}

async function turn({ name, load, envoys }: Way, node: number, rate: number): Promise<Sample> {
  const pids = [...envoys, node];
  const before = pids.map(cpuMs);
  const took = await load.run(rate, turnMs).catch((error) => {
    throw new Error(`"${name}" at ${rate} calls a second`, { cause: error });
  });
  const [...used] = pids.map((pid, index) => ((cpuMs(pid) - (before[index] ?? 0)) * 1000) / took.length);
  const ofNode = used.pop() ?? Number.NaN;
  const [caller = 0, callee = 0] = used;
  return { ...percentiles(took), caller, callee, node: ofNode };
}

function print(rows: readonly Row[]): void {
  const say = (text: string): void => void process.stdout.write(`${text}\n\n`);
  say(`${message.length} bytes a message; ${rounds} rounds of ${turnMs / 1000} s: median (least to most).`);
  for (const rate of rates) say(latencyTable(rows, rate));
  const [direct, base] = rows;
  say(costTable(rows, base, 1000));
  const full = rows.find(({ name }) => name.endsWith('tracing 1 %'));
  if (direct && base && full) say(verdicts(direct, base, full));
}
