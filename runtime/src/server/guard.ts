/**
 * The outermost interceptor of every call: answers when the call's time is up, whatever the handler does, and lets no
 * untyped error out.
 */

import type { ConnectError, Interceptor } from '@connectrpc/connect';
import { outgoingError } from '../errors/outgoing.ts';
import { type Call, currentCall } from './call.ts';
import { until } from './until.ts';

/** Holds every call to its deadline and every error to the catalogue. */
export const guard: Interceptor = (next) => async (request) => {
  const call = currentCall();
  if (call === undefined) {
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

/** Once a call is over, its ending decides the answer, not what the handler made of the aborted signal. */
function errorFor(call: Call, error: unknown): ConnectError {
  const answered: ConnectError = call.signal.aborted ? call.signal.reason : outgoingError(error);
  call.outcome.error = answered;
  return answered;
}

function guardMessages<T>(call: Call, messages: AsyncIterable<T>): AsyncIterable<T> {
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
