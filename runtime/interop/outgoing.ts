/** Messages that a call sends as they are given to it. */

export class Outgoing<T> {
  readonly #waiting: T[] = [];
  #closed = false;
  #wake: () => void = () => {};

  push(message: T): void {
    this.#waiting.push(message);
    this.#wake();
  }

  /** Nothing more is sent. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** What is given, until it is closed. To be read once. */
  async *read(): AsyncGenerator<T> {
    while (true) {
      const next = this.#waiting.shift();
      if (next !== undefined) {
        yield next;
      } else if (this.#closed) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
