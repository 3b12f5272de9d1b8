/**
 * `npm run bench:rpc`: what a call costs, ours against connect-node, grpc-js and bare node:http2, all in the same run.
 * `npm run bench:rpc -- --list` shows what else it measures.
 */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cases } from './all-cases.ts';
import { mainCases } from './cases/against.ts';
import type { Case, CaseResult } from './cases/case.ts';
import { selfTimes } from './profile.ts';
import { facts, markdown, summary } from './report.ts';
import { DEFAULT_SETTINGS, type Settings } from './settings.ts';
import { endWorkers } from './workers.ts';

const USAGE = `npm run bench:rpc -- [options]
  --case NAME[,NAME]      measure these cases, or "all"; default: the main table
  --rounds N              rounds of each comparison, default ${DEFAULT_SETTINGS.rounds}
  --only NAME[,NAME]      compare ours with these variants only
  --base FOLDER           also measure the runtime of the checkout in this folder, as the variant "base"
  --profile CASE:VARIANT  write a CPU profile of the measured process instead
  --json FILE             also write the figures of each round
  --list                  show cases and variants`;

/** Beside what else is local to this checkout. */
const PROFILES = fileURLToPath(new URL('../../.weft/profiles', import.meta.url));
const PROFILE_MS = 6_000;
const SHOWN_FUNCTIONS = 40;

class UsageError extends Error {}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    endWorkers();
    process.exit(code);
  });
}
try {
  await main(process.argv.slice(2));
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`\n${message}\n${error instanceof UsageError ? `\n${USAGE}\n` : ''}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
} finally {
  endWorkers();
}

async function main(args: readonly string[]): Promise<void> {
  const values = optionsOf(args);
  if (values.list === true) {
    process.stdout.write(
      `${cases.map((one) => `${one.name.padEnd(22)} ${one.title}\n${' '.repeat(23)}${one.variants.join(', ')}`).join('\n')}\n`,
    );
    return;
  }
  const settings = settingsOf(values);
  if (values.profile !== undefined) {
    await profile(values.profile, settings);
    return;
  }
  const wanted = wantedCases(values.case);
  process.stdout.write(`${facts().join('\n')}\n${settings.rounds} rounds; medians\n\n`);
  const results = new Map<string, CaseResult>();
  for (const one of wanted) {
    const result = await one.run({ ...settings, progress: (text) => settings.progress(`${one.name}: ${text}`) });
    endWorkers();
    results.set(one.name, result);
    settings.progress('');
    process.stdout.write(`${result.tables.map(markdown).join('\n')}\n`);
  }
  const together = summary([...results.values()]);
  if (together !== undefined) {
    process.stdout.write(`${markdown(together)}\n`);
  }
  if (values.json !== undefined) {
    writeFileSync(
      values.json,
      `${JSON.stringify({ facts: facts(), results: Object.fromEntries(results) }, undefined, 2)}\n`,
    );
  }
}

function optionsOf(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        case: { type: 'string' },
        rounds: { type: 'string' },
        only: { type: 'string' },
        base: { type: 'string' },
        profile: { type: 'string' },
        json: { type: 'string' },
        list: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function settingsOf(values: ReturnType<typeof optionsOf>): Settings {
  const rounds = Number(values.rounds ?? DEFAULT_SETTINGS.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 1_000) {
    throw new UsageError(`--rounds is a number from 1 to 1000, and not "${values.rounds}"`);
  }
  const known = new Set(cases.flatMap(({ variants }) => variants));
  const only = values.only?.split(',');
  const unknown = only?.find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw new UsageError(`there is no variant "${unknown}"; there are ${[...known].join(', ')}`);
  }
  const isTerminal = process.stderr.isTTY;
  return {
    ...DEFAULT_SETTINGS,
    rounds,
    ...(only === undefined ? {} : { only: new Set(only) }),
    ...(values.base === undefined ? {} : { base: runtimeOf(values.base) }),
    progress: (text) => {
      if (isTerminal) {
        process.stderr.write(`\r\x1b[K${text}`);
      }
    },
  };
}

/** The folder of a runtime: it, or the checkout that it is in, may be named. */
function runtimeOf(folder: string): string {
  const found = [join(resolve(folder), 'runtime'), resolve(folder)].find((runtime) =>
    existsSync(join(runtime, 'src/server/serve.ts')),
  );
  if (found === undefined) {
    throw new UsageError(`--base is the folder of a checkout, and there is no runtime in ${folder}`);
  }
  return found;
}

function wantedCases(names: string | undefined): readonly Case[] {
  if (names === undefined) {
    return mainCases;
  }
  return names === 'all' ? cases : names.split(',').map(caseOf);
}

function caseOf(name: string): Case {
  const found = cases.find((one) => one.name === name);
  if (found === undefined) {
    throw new UsageError(`there is no case "${name}"; there are ${cases.map((one) => one.name).join(', ')}`);
  }
  return found;
}

async function profile(what: string, settings: Settings): Promise<void> {
  const [name = '', variant = ''] = what.split(':');
  const found = caseOf(name);
  if (found.subject === undefined || ![...found.variants, 'base'].includes(variant)) {
    throw new UsageError(`${name} has no variant "${variant}" to profile; it has ${found.variants.join(', ')}`);
  }
  const subject = await found.subject(variant, settings);
  await subject.verify();
  await subject.drive({ ms: settings.warmUpMs, calls: settings.warmUpCalls });
  await subject.worker.ask('startProfile');
  const { calls } = await subject.drive({ ms: PROFILE_MS });
  const measured = await subject.worker.ask('stopProfile');
  mkdirSync(PROFILES, { recursive: true });
  const file = join(PROFILES, `${name}-${variant.replaceAll(/\W+/g, '-')}.cpuprofile`);
  writeFileSync(file, JSON.stringify(measured));
  process.stdout.write(`${calls} calls; share of the busy time, in the function itself\n\n`);
  for (const { name: called, share } of selfTimes(measured).slice(0, SHOWN_FUNCTIONS)) {
    process.stdout.write(`${(share * 100).toFixed(1).padStart(6)} %  ${called}\n`);
  }
  process.stdout.write(`\n${relative(process.cwd(), file)} opens in the developer tools of a browser\n`);
}
