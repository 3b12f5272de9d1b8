/**
 * Waiting that can be cut short: what makes deadlines and departures hold although a handler ignores its signal.
 */

/**
 * Settles as `promise` does, or rejects with the signal's reason as soon as that aborts. What `promise` does afterwards is
 * ignored. Leaves no listener behind, so it may be called any number of times on one signal.
 */
export function until<T>(signal: AbortSignal, promise: PromiseLike<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) {
      onAbort();
    } else {
      signal.addEventListener('abort', onAbort, { once: true });
    }
    promise.then(
      (value) => {
        signal.removeEventListener('abort', onAbort);
        resolve(value);
      },
      (error: unknown) => {
        signal.removeEventListener('abort', onAbort);
        reject(error);
      },
    );
  });
}
