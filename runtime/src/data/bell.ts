/** A wait that is ended by a ring or by the time, and leaves neither a timer nor a listener behind. For one who waits. */

/** Rings through: a ring while nobody waits ends the next wait at once. */
export class Bell {
  #hasRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    if (this.#wake === undefined) {
      this.#hasRung = true;
    } else {
      this.#wake();
    }
  }

  /** Resolves at the next ring, or after `ms`. */
  wait(ms: number): Promise<void> {
    if (this.#hasRung) {
      this.#hasRung = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(wake, Math.max(0, ms));
      this.#wake = wake;
    });
  }
}
