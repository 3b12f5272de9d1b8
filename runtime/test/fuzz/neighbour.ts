/**
 * Measures what an attacker costs the others: a neighbour asks one question after the other on a connection of its own, in turns while
 * it is alone and while another process attacks. Prints the ratio of its p99 under attack to its p99 alone.
 *
 *     node runtime/test/fuzz/neighbour.ts [--seconds 2] [--turns 5] [--pause 50] [--attack "any frames"] [--server grpc-js]
 *
 * The attacker waits `--pause` milliseconds between its blows, each of which is up to 500 frames in one write; without a pause it takes
 * all that one core gives, and the neighbour waits in the same queue as it does with any server: `--server grpc-js` and
 * `--server adapter` are there to compare. Server, attacker and neighbour are processes of their own; a busy machine makes the
 * ratio uncertain.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { serveOracle } from '../lanes/subject.ts';
import { type Attack, attacks } from './attacks.ts';
import { FrameCaller } from './frames.ts';
import { said } from './right.ts';
import { GRPC_HEADERS, question, serveTarget } from './subject.ts';

const TARGET_RATIO = 2;
/** After an attack what it began may still be worked on. */
const SETTLE_MS = 200;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '2' },
    turns: { type: 'string', default: '5' },
    pause: { type: 'string', default: '50' },
    attack: { type: 'string' },
    server: { type: 'string', default: 'ours' },
  },
});

function chosen(name: string | undefined): readonly Attack[] {
  const found = name === undefined ? attacks : attacks.filter((attack) => attack.name === name);
  if (found.length === 0) {
    throw new Error(`there is no attack "${name}": ${attacks.map((attack) => attack.name).join(', ')}`);
  }
  return found;
}

/** Serves, and gives the address. */
async function serveNamed(name: string): Promise<string> {
  if (name === 'grpc-js') {
    return (await serveOracle()).address;
  }
  return (await serveTarget({ fastLane: name !== 'adapter' })).address;
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Asks for so long, and gives how long each answer took, in milliseconds. */
async function ask(caller: FrameCaller, ms: number): Promise<number[]> {
  const taken: number[] = [];
  const end = performance.now() + ms;
  for (let n = 0; performance.now() < end; n += 1) {
    const text = `neighbour ${n}`;
    const begun = performance.now();
    const answer = said(await caller.call(GRPC_HEADERS, [question(text)]));
    taken.push(performance.now() - begun);
    if (answer.kind !== 'ok' || answer.text !== text) {
      throw new Error(`the neighbour asked "${text}" and got ${JSON.stringify(answer)}`);
    }
  }
  return taken;
}

/** Attacks whenever it is told to, until it is told not to. */
async function attack(address: string, kinds: readonly Attack[], pauseMs: number): Promise<void> {
  let isOn = false;
  process.on('message', (message) => {
    isOn = message === 'on';
  });
  process.on('disconnect', () => process.exit());
  while (true) {
    for (const kind of kinds) {
      if (isOn) {
        await kind.run(address);
      }
      if (!isOn || pauseMs > 0) {
        await delay(pauseMs);
      }
    }
  }
}

async function start(...args: string[]): Promise<{ readonly child: ChildProcess; readonly said: unknown }> {
  const child = fork(import.meta.filename, args, { stdio: ['ignore', 'inherit', 'ignore', 'ipc'] });
  const [message] = await once(child, 'message');
  return { child, said: message };
}

async function measure(): Promise<void> {
  const ms = Number(values.seconds) * 1_000;
  const turns = Number(values.turns);
  const kinds = chosen(values.attack);
  const given = Object.entries(values).flatMap(([name, value]) => [`--${name}`, value]);
  const server = await start('server', ...given);
  const address = String(server.said);
  const attacker = await start(
    'attacker',
    address,
    ...(values.attack === undefined ? [] : ['--attack', values.attack]),
  );
  const caller = await FrameCaller.open(address);
  await ask(caller, ms);
  const alone: number[] = [];
  const attacked: number[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    alone.push(...(await ask(caller, ms)));
    attacker.child.send('on');
    await delay(SETTLE_MS);
    attacked.push(...(await ask(caller, ms)));
    attacker.child.send('off');
    await delay(SETTLE_MS);
  }
  for (const { child } of [attacker, server]) {
    child.kill();
  }
  caller.close();
  const [quiet, loud] = [alone, attacked].map((taken) => taken.sort((a, b) => a - b)) as [number[], number[]];
  const row = (name: string, taken: number[]) =>
    `${name.padEnd(14)} ${String(taken.length).padStart(7)} calls  p50 ${percentile(taken, 0.5).toFixed(2)} ms  p99 ${percentile(taken, 0.99).toFixed(2)} ms`;
  const ratio = percentile(loud, 0.99) / percentile(quiet, 0.99);
  console.log(
    `${kinds.length === 1 ? kinds[0]?.name : `${kinds.length} kinds of attack`} on ${values.server} every ${values.pause} ms, ${turns} turns of ${values.seconds} s`,
  );
  console.log(row('alone', quiet));
  console.log(row('under attack', loud));
  console.log(`ratio of p99: ${ratio.toFixed(2)} (target: at most ${TARGET_RATIO})`);
}

const [role, address = ''] = positionals;
if (role === 'server') {
  process.on('disconnect', () => process.exit());
  process.send?.(await serveNamed(values.server));
} else if (role === 'attacker') {
  process.send?.('ready');
  await attack(address, chosen(values.attack), Number(values.pause));
} else {
  await measure();
}
