/**
 * `npm run bench:compile`: how long contracts of 125 to 2,000 RPCs take, the whole run of buf with the plugin and the compiler alone.
 * With `--profile` it compiles the largest again and again for `node --cpu-prof`.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { compile, type Input } from '../src/compile.ts';
import type { OutputFile } from '../src/output.ts';
import { largeContract, topology } from './large-contract.ts';

const sizes = [125, 250, 500, 1000, 2000];
const rounds = 3;
/** The goal: a contract of this size within this time. */
const goal = { rpcs: 1000, ms: 2000 } as const;

const plugin = join(import.meta.dirname, '../src/plugin.ts');
const options = join(import.meta.dirname, '../../proto/weft/mesh');
const programs = join(import.meta.dirname, '../../node_modules/.bin');
const topologies = ['near', 'far'];

const generateConfig = `version: v2
inputs: [{directory: proto}]
plugins:
  - local: [${JSON.stringify(process.execPath)}, ${JSON.stringify(plugin)}]
    out: .
    strategy: all
    opt: [source_root=proto, topologies=topologies, policy_table=policy.ts, exposed_services=exposed.ts, reference=docs]
`;

/** Median times in milliseconds. On a busy machine the processors' time says more than the clock. */
interface Measured {
  readonly rpcs: number;
  readonly files: number;
  readonly megabytes: number;
  readonly buf: Times;
  readonly compile: Times;
}

interface Times {
  readonly ms: number;
  readonly cpuMs: number;
}

const { values: flags } = parseArgs({ options: { profile: { type: 'boolean', default: false } } });
if (flags.profile) profile(2000);
else report(sizes.map(measure));

function measure(rpcs: number): Measured {
  return inModule(rpcs, (folder) => {
    const input = inputOf(folder);
    let files: OutputFile[] = [];
    const alone = median(() => {
      const before = process.cpuUsage();
      files = compile(input);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    });
    const whole = median(() => buf(folder, 'generate', '--output', join(folder, 'gen')));
    const bytes = files.reduce((sum, { content }) => sum + content.length, 0);
    return { rpcs, files: files.length, megabytes: bytes / 1_000_000, buf: whole, compile: alone };
  });
}

function profile(rpcs: number): void {
  inModule(rpcs, (folder) => {
    const input = inputOf(folder);
    for (let round = 0; round < 5; round += 1) compile(input);
  });
}

/** Writes a buf module, gives it to `work`, and removes it. */
function inModule<T>(rpcs: number, work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'weft-compile-'));
  try {
    cpSync(options, join(folder, 'proto/weft/mesh'), { recursive: true });
    for (const [path, text] of largeContract(rpcs)) write(join(folder, 'proto', path), text);
    for (const name of topologies) write(join(folder, 'topologies', `${name}.yaml`), topology(`${name}.example`));
    write(join(folder, 'buf.yaml'), 'version: v2\nmodules: [{path: proto}]\n');
    write(join(folder, 'buf.gen.yaml'), generateConfig);
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** What buf would give the plugin. */
function inputOf(folder: string): Input {
  const image = join(folder, 'image.binpb');
  buf(folder, 'build', '--as-file-descriptor-set', '--output', image);
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(image)));
  return {
    registry,
    files: [...registry.files].filter(({ proto }) => proto.package.startsWith('load.')),
    sourceRoot: 'proto',
    topologies: topologies.map((name) => ({ name, file: `${name}.yaml`, text: topology(`${name}.example`) })),
    policyTable: 'policy.ts',
    exposedServices: 'exposed.ts',
    reference: 'docs',
  };
}

/** Runs buf; the milliseconds of CPU that it and the plugin took. */
function buf(folder: string, ...args: string[]): number {
  const env = { ...process.env, PATH: [programs, process.env.PATH].join(delimiter) };
  const options = { cwd: folder, encoding: 'utf8', env } as const;
  const { status, stdout, stderr, error } = spawnSync('bash', ['-c', 'buf "$@" && times', 'buf', ...args], options);
  if (status !== 0) throw new Error(`buf ${args.join(' ')}: ${error?.message ?? stderr}`);
  const [, , , , ...children] = [...stdout.matchAll(/(\d+)m([\d.,]+)s/g)].flatMap(([, minutes, seconds]) => [
    Number(minutes) * 60_000,
    Number(seconds?.replace(',', '.')) * 1000,
  ]);
  return children.reduce((sum, ms) => sum + ms, 0);
}

/** `work` returns the CPU time that it took. */
function median(work: () => number): Times {
  const times = Array.from({ length: rounds }, () => {
    const started = performance.now();
    const cpuMs = work();
    return { ms: performance.now() - started, cpuMs };
  });
  const middle = (values: readonly number[]): number =>
    values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
  return { ms: middle(times.map(({ ms }) => ms)), cpuMs: middle(times.map(({ cpuMs }) => cpuMs)) };
}

function report(all: readonly Measured[]): void {
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  print(`Median of ${rounds}; two topologies, a workload for each 25 RPCs.\n`);
  print('| RPCs | Files | MB | buf and plugin, ms | CPU | CPU an RPC | compile(), ms | CPU | CPU an RPC |');
  print(`|${' ---: |'.repeat(9)}`);
  for (const { rpcs, files, megabytes, buf, compile } of all) {
    const times = [buf, compile].flatMap(({ ms, cpuMs }) => [
      ms.toFixed(0),
      cpuMs.toFixed(0),
      (cpuMs / rpcs).toFixed(2),
    ]);
    print(`| ${[rpcs, files, megabytes.toFixed(1), ...times].join(' | ')} |`);
  }
  const reached = all.find(({ rpcs }) => rpcs === goal.rpcs)?.buf.ms ?? Number.NaN;
  const verdict = reached <= goal.ms ? 'met' : 'NOT MET';
  print(`\nGoal ${verdict}: ${goal.rpcs} RPCs in ${reached.toFixed(0)} ms of at most ${goal.ms} ms.`);
}
