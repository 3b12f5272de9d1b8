/** Calls that go on and on while a test changes things under them, each of which has to succeed. */
import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { waitFor } from '../../../dev/src/wait.ts';

const longestMs = 60_000;
/** A call that fails at once must not keep the process from everything else. */
const pauseAfterFailureMs = 20;

export class Load {
  #done = 0;
  readonly #failures: string[] = [];
  #isOver = false;
  #workers: Promise<void>[] = [];

  /** Starts `workers` loops, each of which makes one call after the other, until `stop` or the end of the test. What `call` throws is a failed call. */
  static start(workers: number, call: (worker: number) => Promise<void>): Load {
    const load = new Load();
    onTestFinished(() => void load.stop());
    load.#workers = Array.from({ length: workers }, (_, worker) => load.#work(() => call(worker)));
    return load;
  }

  /** Resolves when `count` more calls have ended. */
  async more(count: number): Promise<void> {
    const enough = this.#done + count;
    await waitFor(`${count} more calls`, () => this.#done >= enough, { withinMs: longestMs });
  }

  /** Ends the loops after the calls they are in. */
  async stop(): Promise<{ readonly done: number; readonly failures: readonly string[] }> {
    this.#isOver = true;
    await Promise.all(this.#workers);
    return { done: this.#done, failures: this.#failures };
  }

  async #work(call: () => Promise<void>): Promise<void> {
    while (!this.#isOver) {
      try {
        await call();
      } catch (error) {
        this.#failures.push(String(error));
        await delay(pauseAfterFailureMs);
      }
      this.#done += 1;
    }
  }
}
