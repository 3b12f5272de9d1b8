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
    this.#tell(`add ${group} ${withoutPrefix(signal)}`);
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
    const shell = spawn('/bin/sh', [script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'], cwd: '/' });
    // Writing to a shell that was just killed fails; its replacement is told everything anew.
    shell.stdin?.on('error', () => {});
    shell.once('exit', () => {
      if (this.#ended) return;
      this.#shell = this.#launch();
      for (const [group, signal] of this.#groups) this.#tell(`add ${group} ${withoutPrefix(signal)}`);
    });
    return shell;
  }

  #tell(line: string): void {
    this.#shell.stdin?.write(`${line}\n`);
  }
}

/** `kill -s` of a POSIX shell takes names without SIG. */
function withoutPrefix(signal: NodeJS.Signals): string {
  return signal.replace(/^SIG/, '');
}
