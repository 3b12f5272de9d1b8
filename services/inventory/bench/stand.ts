/**
 * What the benchmarks stand on: a PostgreSQL of their own with everything that makes a commit durable switched on, a catalogue in it, and
 * servers and load generators in processes of their own, whose CPU is read from /proc. Linux only.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openPool } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';
import { type Catalogue, fill } from './catalogue.ts';
import type { LoadOptions, LoadResult } from './load.ts';
import { parseProfile, type SelfTime } from './profile.ts';
import { type Cluster, startCluster } from './testing/cluster.ts';

const exec = promisify(execFile);

/** Kernel clock ticks are hundredths of a second on Linux. */
const TICK_MS = 10;

/** How CreateReservation is carried out: as inventory does, or as it is compared with (comparators.ts). */
export type Variant = 'ours' | 'single' | 'for-update';

/** A database with a catalogue. */
export type BenchDatabase = { readonly url: string; readonly pool: Pool };

/** A server in its own process. */
export type BenchServer = { readonly variant: Variant; readonly egress: string; readonly pid: number };

/** CPU that was used meanwhile, in milliseconds. */
export type Usage = { readonly serverMs: number; readonly postgresMs: number };

/** Longest that a statement may take that fills a database. */
const LOADING_MAX_MS = 600_000;

export class Stand {
  readonly #folder = mkdtempSync(join(tmpdir(), 'weft-bench-'));
  readonly #postgres: Cluster;
  readonly #servers: ChildProcess[] = [];
  readonly #pools: Pool[] = [];
  #count = 0;

  private constructor(postgres: Cluster) {
    this.#postgres = postgres;
  }

  static async open(): Promise<Stand> {
    return new Stand(await startCluster());
  }

  /** Says what the figures were taken with. */
  get settings(): string {
    return this.#postgres.settings;
  }

  /** A new database with a catalogue. */
  async database(catalogue: Catalogue): Promise<BenchDatabase> {
    this.#count += 1;
    const url = await this.#postgres.createDatabase(`bench_${this.#count}`);
    // Loading takes as long as it takes.
    const pool = openPool({ databaseUrl: url, workload: 'bench', maxConnections: 2, answerMaxMs: LOADING_MAX_MS });
    this.#pools.push(pool);
    const client = await pool.connect();
    try {
      await client.query('SET statement_timeout = 0');
      await fill(client, catalogue);
      await client.query('VACUUM ANALYZE');
    } finally {
      client.release();
    }
    return { url, pool };
  }

  /** Starts a server on a database. */
  async serve(variant: Variant, { url }: BenchDatabase): Promise<BenchServer> {
    this.#count += 1;
    const egress = `unix:${join(this.#folder, `${this.#count}.sock`)}`;
    const child = spawn(process.execPath, [script('server.ts'), variant, egress, url], {
      env: { PATH: process.env.PATH ?? '', OTEL_SDK_DISABLED: 'true' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#servers.push(child);
    await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => ended(variant))]);
    return { variant, egress, pid: child.pid ?? 0 };
  }

  /** Runs load against a server, and gives what it saw and what it cost. */
  async load({ egress, pid }: BenchServer, options: Omit<LoadOptions, 'egress'>): Promise<LoadResult & Usage> {
    const before = this.usage(pid);
    const { stdout } = await exec(process.execPath, [script('load.ts'), JSON.stringify({ ...options, egress })]);
    const after = this.usage(pid);
    return {
      ...(JSON.parse(stdout) as LoadResult),
      serverMs: after.serverMs - before.serverMs,
      postgresMs: after.postgresMs - before.postgresMs,
    };
  }

  /** CPU that each process of PostgreSQL has used so far, in milliseconds, with what the process calls itself. */
  postgresProcesses(): ReadonlyMap<number, { readonly title: string; readonly cpuMs: number }> {
    const postgres = descendants(processes(), process.pid).filter(({ name }) => name === 'postgres');
    return new Map(postgres.map(({ pid, cpuMs }) => [pid, { title: titleOf(pid), cpuMs }]));
  }

  /** Runs work while a server is profiled, and gives the functions that its time went to. */
  async profile({ pid }: BenchServer, work: () => Promise<unknown>): Promise<readonly SelfTime[]> {
    const child = this.#servers.find((one) => one.pid === pid);
    if (child?.stdout == null) {
      throw new Error('there is no such server');
    }
    child.kill('SIGUSR2');
    await once(child.stdout, 'data');
    await work();
    child.kill('SIGUSR2');
    let text = '';
    while (!text.endsWith('\n')) {
      text += String((await once(child.stdout, 'data'))[0]);
    }
    return parseProfile(text);
  }

  /** Ends a server that is no longer needed. */
  async end({ pid }: BenchServer): Promise<void> {
    const child = this.#servers.find((one) => one.pid === pid);
    if (child !== undefined && child.exitCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }

  /** Resident memory of a server, in MiB. */
  memoryMiB({ pid }: BenchServer): number {
    const [, kib = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kib) / 1024;
  }

  async close(): Promise<void> {
    for (const child of this.#servers) child.kill('SIGKILL');
    await Promise.all(this.#pools.map((pool) => pool.end()));
    await this.#postgres.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** CPU that a process and PostgreSQL have used so far. */
  usage(pid: number): Usage {
    const all = processes();
    const postgres = descendants(all, process.pid).filter(({ name }) => name === 'postgres');
    return {
      serverMs: all.find((one) => one.pid === pid)?.cpuMs ?? 0,
      // What ended meanwhile counts with the parent that waited for it.
      postgresMs: postgres.reduce((sum, { cpuMs, endedMs }) => sum + cpuMs + endedMs, 0),
    };
  }
}

function ended(variant: Variant): never {
  throw new Error(`the server of ${variant} ended before it was ready`);
}

function script(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** `postgres: walwriter`, say; without what it happens to do. */
function titleOf(pid: number): string {
  const title = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  return title.startsWith('postgres: ') ? title.replace(/\[local\].*/, 'connection') : 'postmaster';
}

type Process = {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly cpuMs: number;
  readonly endedMs: number;
};

function processes(): Process[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        return [parseStat(readFileSync(`/proc/${entry}/stat`, 'utf8'))];
      } catch {
        // It ended while we looked.
        return [];
      }
    });
}

function parseStat(stat: string): Process {
  const [head = '', rest = ''] = [stat.slice(0, stat.lastIndexOf(')')), stat.slice(stat.lastIndexOf(')') + 2)];
  const [pid = '', name = ''] = [head.slice(0, head.indexOf(' ')), head.slice(head.indexOf('(') + 1)];
  const fields = rest.split(' ').map(Number);
  // proc(5): ppid is field 4, utime to cstime are 14 to 17; `rest` begins with field 3.
  const [utime = 0, stime = 0, cutime = 0, cstime = 0] = fields.slice(11, 15);
  return {
    pid: Number(pid),
    parent: fields[1] ?? 0,
    name,
    cpuMs: (utime + stime) * TICK_MS,
    endedMs: (cutime + cstime) * TICK_MS,
  };
}

function descendants(all: readonly Process[], of: number): Process[] {
  const children = all.filter(({ parent }) => parent === of);
  return children.flatMap((child) => [child, ...descendants(all, child.pid)]);
}
