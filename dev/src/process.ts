/**
 * One process of the local mesh: its own process group, its output in a log file, a test of readiness, and a graceful stop
 * that becomes a kill after its grace. Restarting is the supervisor's (supervisor.ts).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { Failure, messageOf } from './failure.ts';
import { signal as send } from './identity.ts';
import { rotateLog, tail } from './logs.ts';

export interface ProcessSpec {
  /** Unique in a supervisor: `inventory`, `inventory-sidecar`, `edge`, `postgres`. */
  name: string;
  command: string;
  args: readonly string[];
  env: Record<string, string>;
  cwd: string;
  /** Absolute path; output is appended. */
  logFile: string;
  /** Ends the process gracefully. */
  stopSignal: NodeJS.Signals;
  /** After this many ms a stop becomes SIGKILL. */
  stopGraceMs: number;
  /** Resolves when the process does its work; rejects only when `signal` is aborted or hope is lost. */
  ready: (signal: AbortSignal) => Promise<unknown>;
  readyTimeoutMs: number;
  /** What to do when it does not start, as a sentence. */
  remedy?: string;
}

export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export class ManagedProcess {
  readonly spec: ProcessSpec;
  readonly pid: number;
  /** Resolves when the process is gone; never rejects. */
  readonly ended: Promise<Ending>;
  #ending: Ending | undefined;
  readonly #child: ChildProcess;

  private constructor(spec: ProcessSpec, child: ChildProcess, pid: number) {
    this.spec = spec;
    this.pid = pid;
    this.#child = child;
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#ending = { code, signal };
        resolve(this.#ending);
      });
    });
  }

  /** Starts the process without waiting until it is ready. Throws Failure when the command cannot be run. */
  static async launch(spec: ProcessSpec): Promise<ManagedProcess> {
    rotateLog(spec.logFile);
    const log = openSync(spec.logFile, 'a', 0o600);
    try {
      const child = spawn(spec.command, spec.args, {
        cwd: spec.cwd,
        env: spec.env,
        detached: true,
        stdio: ['ignore', log, log],
      });
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', reject);
      });
      if (child.pid === undefined) throw new Error('it has no process id');
      return new ManagedProcess(spec, child, child.pid);
    } catch (error) {
      throw new Failure(`${spec.name} could not be started`, {
        why: `${spec.command}: ${messageOf(error)}`,
        remedy: spec.remedy ?? 'Check that the file exists and may be executed.',
        cause: error,
      });
    } finally {
      closeSync(log);
    }
  }

  get alive(): boolean {
    return this.#ending === undefined;
  }

  /** Resolves when the process is ready. Throws Failure when it ends before, or takes longer than its time. */
  async whenReady(): Promise<void> {
    const { spec } = this;
    const over = new AbortController();
    const timeout = setTimeout(
      () => over.abort(new Error(`it was not ready within ${spec.readyTimeoutMs / 1000} s`)),
      spec.readyTimeoutMs,
    );
    try {
      await Promise.race([
        spec.ready(over.signal),
        this.ended.then((ending) => {
          throw new Error(`it ended ${describeEnding(ending)} before it was ready`);
        }),
        new Promise((_, reject) => over.signal.addEventListener('abort', () => reject(over.signal.reason))),
      ]);
    } catch (error) {
      const lines = tail(spec.logFile, 12);
      throw new Failure(`${spec.name} did not start`, {
        why: `${messageOf(error)}${lines === '' ? '' : `\nIts last words:\n${lines}`}`,
        log: spec.logFile,
        remedy: spec.remedy ?? 'Read the log; `npm start -- --reset` begins anew if its data is at fault.',
        cause: error,
      });
    } finally {
      clearTimeout(timeout);
      over.abort(new Error('readiness is decided'));
    }
  }

  /** Asks the process to go, kills its group after the grace, and resolves when it is gone. True when it went by itself. */
  async stop(graceMs = this.spec.stopGraceMs): Promise<boolean> {
    if (!this.alive) return true;
    this.#child.kill(this.spec.stopSignal);
    let graceful = true;
    const timer = setTimeout(() => {
      graceful = false;
      this.kill();
    }, graceMs);
    await this.ended;
    clearTimeout(timer);
    return graceful;
  }

  /** SIGKILL to the whole group. */
  kill(): void {
    if (this.alive) send(-this.pid, 'SIGKILL');
  }
}

/** Such as `with code 1` or `by SIGKILL`. */
export function describeEnding(ending: Ending): string {
  return ending.signal === null ? `with code ${ending.code}` : `by ${ending.signal}`;
}
