/**
 * Starts, watches, restarts and stops the processes of a mesh. A process that was ready once and ends unasked is started
 * again, after a pause that doubles; one that does not even get ready fails the start. What it runs dies with it (guardian.ts),
 * and what survives even that is found by the next run (leftovers.ts).
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from './failure.ts';
import { Guardian } from './guardian.ts';
import { Ledger } from './leftovers.ts';
import { tail } from './logs.ts';
import { describeEnding, ManagedProcess, type ProcessSpec } from './process.ts';

const firstPauseMs = 250;
const longestPauseMs = 8000;
/** A process that stayed up this long is forgiven its earlier crashes. */
const forgivenAfterMs = 30_000;

interface Entry {
  spec: ProcessSpec;
  current: ManagedProcess | undefined;
  /** The process that is being made right now. */
  launching: Promise<ManagedProcess> | undefined;
  /** False while the process is meant to be down. */
  wanted: boolean;
  pauseMs: number;
  /** Ends the pause before a restart. */
  hurry: AbortController;
}

export class Supervisor {
  readonly #entries = new Map<string, Entry>();
  readonly #guardian = new Guardian();
  readonly #ledger: Ledger;
  readonly #report: (line: string) => void;
  #ending = false;

  /** `report` gets a line for each crash and each restart. */
  constructor(options: { stateFolder: string; report: (line: string) => void }) {
    this.#ledger = new Ledger(ledgerFile(options.stateFolder));
    this.#report = options.report;
  }

  get names(): string[] {
    return [...this.#entries.keys()];
  }

  /** The pid of a process that is up, by name. */
  pid(name: string): number | undefined {
    const current = this.#entries.get(name)?.current;
    return current?.alive ? current.pid : undefined;
  }

  /** The pids of all that is up. */
  pids(): Map<string, number> {
    const pids = new Map<string, number>();
    for (const name of this.#entries.keys()) {
      const pid = this.pid(name);
      if (pid !== undefined) pids.set(name, pid);
    }
    return pids;
  }

  /** Starts a process and resolves when it is ready. Throws Failure, with the process gone, when it does not get there. */
  async start(spec: ProcessSpec): Promise<void> {
    if (this.#ending) throw new Error('everything is being stopped');
    if (this.#entries.get(spec.name)?.wanted) throw new Error(`${spec.name} is already started`);
    const entry: Entry = {
      spec,
      current: undefined,
      launching: undefined,
      wanted: true,
      pauseMs: firstPauseMs,
      hurry: new AbortController(),
    };
    this.#entries.set(spec.name, entry);
    try {
      await this.#launch(entry);
    } catch (error) {
      entry.wanted = false;
      await entry.current?.stop(0);
      throw error;
    }
    this.#watch(entry);
  }

  /** Starts a process again that `stop` has stopped. */
  async startAgain(name: string): Promise<void> {
    await this.start(this.#entry(name).spec);
  }

  /** Stops a process for good, gracefully, and resolves when it is gone. */
  async stop(name: string, graceMs?: number): Promise<void> {
    const entry = this.#entry(name);
    entry.wanted = false;
    entry.hurry.abort();
    await entry.launching?.catch(() => {});
    const graceful = await entry.current?.stop(graceMs);
    if (graceful === false && !this.#ending) this.#report(`${name} did not stop in time and was killed`);
  }

  /** SIGKILL, as by the out-of-memory killer: the supervisor starts the process again. */
  kill(name: string): void {
    this.#entry(name).current?.kill();
  }

  /** Resolves when the process is up and ready (again). */
  async whenReady(name: string): Promise<void> {
    const entry = this.#entry(name);
    while (!entry.current?.alive) {
      if (!entry.wanted) throw new Error(`${name} is stopped`);
      await delay(25);
    }
    await entry.current.whenReady();
  }

  /** Kills whatever is still up, at once. */
  killAll(): void {
    for (const entry of this.#entries.values()) {
      entry.wanted = false;
      entry.hurry.abort();
      entry.current?.kill();
    }
  }

  /** From now on nothing is started any more. */
  seal(): void {
    this.#ending = true;
  }

  /** Stops what is left and ends the guardian. The supervisor cannot be used afterwards. */
  async end(): Promise<void> {
    this.seal();
    await Promise.all(this.names.map((name) => this.stop(name)));
    await this.#guardian.end();
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new Error(`no process is named ${name}; there are ${this.names.join(', ')}`);
    return entry;
  }

  async #launch(entry: Entry): Promise<void> {
    entry.launching = ManagedProcess.launch(entry.spec);
    const launched = await entry.launching;
    this.#guardian.add(launched.pid, entry.spec.stopSignal);
    this.#ledger.add(entry.spec.name, launched.pid, entry.spec.stopSignal);
    void launched.ended.then(() => {
      this.#guardian.remove(launched.pid);
      this.#ledger.remove(launched.pid);
    });
    entry.current = launched;
    await launched.whenReady();
  }

  /** Starts the process again for as long as it is wanted. */
  async #watch(entry: Entry): Promise<void> {
    const { spec } = entry;
    while (entry.wanted && entry.current !== undefined) {
      const since = performance.now();
      const ending = await entry.current.ended;
      if (!entry.wanted) return;
      if (performance.now() - since > forgivenAfterMs) entry.pauseMs = firstPauseMs;
      this.#report(crashMessage(spec, describeEnding(ending), entry.pauseMs));
      await delay(entry.pauseMs, undefined, { signal: entry.hurry.signal }).catch(() => {});
      entry.pauseMs = Math.min(entry.pauseMs * 2, longestPauseMs);
      if (!entry.wanted) return;
      await this.#relaunch(entry);
    }
  }

  async #relaunch(entry: Entry): Promise<void> {
    try {
      await this.#launch(entry);
      if (entry.wanted) this.#report(`${entry.spec.name} is up again`);
    } catch (error) {
      if (!entry.wanted) return;
      this.#report(`${entry.spec.name} did not come up again: ${messageOf(error)}`);
      // One that hangs before it is ready is ended, so that the loop above tries once more.
      await entry.current?.stop(0);
    }
  }
}

/** Where a supervisor writes down what it runs. */
export function ledgerFile(stateFolder: string): string {
  return join(stateFolder, 'processes.json');
}

function crashMessage(spec: ProcessSpec, how: string, pauseMs: number): string {
  const lines = tail(spec.logFile, 5);
  return [
    `${spec.name} ended ${how}; starting it again in ${pauseMs / 1000} s. Log: ${spec.logFile}`,
    ...(lines === '' ? [] : lines.split('\n').map((line) => `    ${line}`)),
  ].join('\n');
}
