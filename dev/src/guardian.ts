/**
 * The supervisor's end of guardian.sh: tells it which process groups live, so that none outlives a supervisor that is
 * killed outright. Should the guardian itself be killed, a new one takes over with the same groups.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./guardian.sh', import.meta.url));

export class Guardian {
  readonly #groups = new Map<number, NodeJS.Signals>();
  #shell: ChildProcess;
  #ended = false;

  constructor() {
    this.#shell = this.#launch();
  }

  /** From now on the group dies with the supervisor, first by `signal`. */
  add(group: number, signal: NodeJS.Signals): void {
    this.#groups.set(group, signal);
    this.#tell(`add ${entry(group, signal)}`);
  }

  /** The group is gone. */
  remove(group: number): void {
    this.#groups.delete(group);
    this.#tell(`remove ${group}`);
  }

  /** Ends the guardian; whatever is still added is ended by it. Resolves when it is gone. */
  async end(): Promise<void> {
    this.#ended = true;
    const shell = this.#shell;
    if (shell.exitCode !== null || shell.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => shell.once('exit', () => resolve()));
    shell.stdin?.end();
    await gone;
  }

  #launch(): ChildProcess {
    // A replacement is born with what it guards: told afterwards, it would know nothing of it should the supervisor die in between.
    const entries = [...this.#groups].map(([group, signal]) => entry(group, signal));
    const shell = spawn('/bin/sh', [script, ...entries], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: '/',
    });
    // Writing to a shell that was just killed fails; its replacement knows of everything.
    shell.stdin?.on('error', () => {});
    shell.once('exit', () => {
      if (this.#ended) return;
      this.#shell = this.#launch();
    });
    return shell;
  }

  #tell(line: string): void {
    this.#shell.stdin?.write(`${line}\n`);
  }
}

/** `<group>:<signal>` as guardian.sh takes it; `kill -s` of a POSIX shell takes names without SIG. */
function entry(group: number, signal: NodeJS.Signals): string {
  return `${group}:${signal.replace(/^SIG/, '')}`;
}
