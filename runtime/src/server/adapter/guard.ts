/**
 * The outermost interceptor of every call on the adapter: answers when the call's time is up, whatever the handler does, and
 * lets no error out that the server's policy on errors would not.
 */

import type { ConnectError, Interceptor } from '@connectrpc/connect';
import { currentCall } from '../call.ts';
import { ServerCall } from '../server-call.ts';
import { until } from '../until.ts';

/** Holds every call to its deadline, and every error to `errorOf`: the error to send for what a handler threw. */
export function guard(errorOf: (error: unknown) => ConnectError): Interceptor {
  /** Once a call is over, its ending decides the answer, not what the handler made of the aborted signal. */
  function errorFor(call: ServerCall, error: unknown): ConnectError {
    call.error = call.abortReason ?? errorOf(error);
    return call.error;
  }

  function guardMessages<T>(call: ServerCall, messages: AsyncIterable<T>): AsyncIterable<T> {
    return {
      [Symbol.asyncIterator]() {
        const iterator = messages[Symbol.asyncIterator]();
        // A handler that waits for something else hears of the end by its signal; nobody waits for it to notice.
        const leave = () => void iterator.return?.()?.then(undefined, () => {});
        return {
          async next() {
            try {
              call.signal.throwIfAborted();
              return await until(call.signal, iterator.next());
            } catch (error) {
              leave();
              throw errorFor(call, error);
            }
          },
          async return() {
            leave();
            return { done: true, value: undefined };
          },
        };
      },
    };
  }

  return (next) => async (request) => {
    const call = currentCall();
    if (!(call instanceof ServerCall)) {
      return next(request);
    }
    try {
      call.signal.throwIfAborted();
      const response = await until(call.signal, next({ ...request, signal: call.signal }));
      return response.stream ? { ...response, message: guardMessages(call, response.message) } : response;
    } catch (error) {
      throw errorFor(call, error);
    }
  };
}
