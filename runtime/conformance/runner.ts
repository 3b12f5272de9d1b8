/**
 * Runs a part of the suite against our server or our client, and says what came of it: cases that passed and failed, and how
 * many calls each lane served.
 */

import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configurationOf, type Mode, type Selection } from './selection.ts';
import { prepareSuite } from './suite.ts';
import { type Lanes, lastTallyMs, readTallies, sumLanes, TALLY_FOLDER, type Tally } from './tally.ts';

/** What came of a run in one mode. */
export type Outcome = {
  readonly mode: Mode;
  readonly passed: number;
  /** Cases that failed, and those that the runner could not come to because a program ended early. */
  readonly failed: number;
  readonly lanes: Lanes;
  /** What is wrong with the lanes, in words. */
  readonly complaints: readonly string[];
  readonly seconds: number;
  /** All that the runner said. */
  readonly output: string;
};

/** A run whose programs have told nothing for so long hangs, in milliseconds: the runner has no limit of its own. */
const SILENCE_MAX_MS = 60_000;
const LOOK_EVERY_MS = 1_000;
/** Servers at once: each is a process, and the suite starts one for each protocol, version and kind of TLS. */
const SERVERS_MAX = 2;

/**
 * Runs the suite in one mode.
 *
 * @param onOutput is given what the runner says, as it comes.
 * @returns undefined where there is no Go to build the runner.
 * @throws Error with what the runner said, when it refused to run or had to be ended.
 */
export async function runSuite(
  mode: Mode,
  selection: Selection,
  onOutput: (text: string) => void = () => {},
): Promise<Outcome | undefined> {
  const runner = await prepareSuite();
  if (runner === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'weft-conformance-'));
  try {
    const configuration = join(folder, 'configuration.yaml');
    const tallyFolder = join(folder, 'tally');
    await mkdir(tallyFolder);
    await writeFile(configuration, configurationOf(selection));
    const argv = [
      ...['--mode', mode, '--conf', configuration, '--max-servers', `${SERVERS_MAX}`],
      // In client mode it is our program that decides.
      ...(mode === 'server' ? ['--parallel', `${selection.parallel}`] : []),
      ...selection.run.flatMap((pattern) => ['--run', pattern]),
      ...selection.skip.flatMap((pattern) => ['--skip', pattern]),
      ...(selection.trace ? ['--trace'] : []),
      ...['--', process.execPath, join(import.meta.dirname, `${mode}.ts`)],
    ];
    const began = performance.now();
    const output = await execute(runner, argv, { tallyFolder, parallel: selection.parallel, onOutput });
    const seconds = (performance.now() - began) / 1_000;
    const counts = countsOf(output);
    const tallies = readTallies(tallyFolder);
    return { mode, ...counts, lanes: sumLanes(tallies), complaints: complaintsOf(tallies), seconds, output };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Execution = {
  readonly tallyFolder: string;
  readonly parallel: number;
  readonly onOutput: (text: string) => void;
};

function execute(runner: string, argv: readonly string[], options: Execution): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(runner, argv, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        [TALLY_FOLDER]: options.tallyFolder,
        WEFT_CONFORMANCE_PARALLEL: `${options.parallel}`,
      },
    });
    let output = '';
    const collect = (chunk: Buffer) => {
      output += chunk.toString();
      options.onOutput(chunk.toString());
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const beganMs = Date.now();
    const watch = setInterval(() => {
      if (Date.now() - Math.max(beganMs, lastTallyMs(options.tallyFolder)) > SILENCE_MAX_MS) {
        output += `\nnothing was heard for ${SILENCE_MAX_MS / 1_000} s: the run hangs, and is ended\n`;
        child.kill('SIGKILL');
      }
    }, LOOK_EVERY_MS);
    child.once('error', reject);
    child.once('close', () => {
      clearInterval(watch);
      resolve(output);
    });
  });
}

/** The counts at the end of what the runner says. @throws Error with what it said, when it did not come so far. */
function countsOf(output: string): { passed: number; failed: number } {
  const counts = /^(\d+) passed, (\d+) failed$/m.exec(output);
  if (counts === null) {
    throw new Error(`the runner did not come to an end, after having said:\n${output}`);
  }
  const [, notRun = '0'] = /^Another (\d+) could not be run/m.exec(output) ?? [];
  return { passed: Number(counts[1]), failed: Number(counts[2]) + Number(notRun) };
}

/** Of the calls that the fast lane is for, how many must have been its own; a few are odd on purpose. */
const FAST_SHARE = 0.9;
/** Fewer calls than this may all be odd: a selection of some cases says nothing of the lanes. */
const CALLS_THAT_TELL = 50;

/**
 * What is wrong with how calls went over the lanes: unary gRPC and Connect over HTTP/2 are what the fast lane is for, so that most
 * of them must have been its own.
 */
function complaintsOf(tallies: readonly Tally[]): string[] {
  const meant = tallies.filter(({ protocol, httpVersion }) => protocol !== 'grpc-web' && httpVersion === '2');
  const unary = meant.reduce((sum, tally) => sum + tally.unary, 0);
  const { fast } = sumLanes(meant);
  const isTooFew = unary >= CALLS_THAT_TELL && fast < unary * FAST_SHARE;
  const slow = isTooFew ? [`only ${fast} calls took the fast lane, of ${unary} unary ones that it is for`] : [];
  return [...slow, ...tallies.flatMap(({ gaveUp }) => gaveUp ?? [])];
}
