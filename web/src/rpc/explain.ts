/**
 * Turns an error into words for a person: what happened, and what they can do now. Sentences are chosen by the reason in
 * google.rpc.ErrorInfo; errors without one (the edge's own refusals, a network that is down) by code and circumstances.
 */

import { Code, ConnectError } from '@connectrpc/connect';
import { detailsOf } from './details.ts';
import { SENTENCES } from './sentences.ts';
import { traceIdOf } from './transport.ts';

/** An error, told to a person. */
export type Explanation = {
  /** What happened. */
  readonly message: string;
  /** What to do now. */
  readonly action: string;
  /** Which error it is: a reason of the catalogue, or a code's name in the same style. */
  readonly reason: string;
  /** Whether doing the same again may help. */
  readonly repeatable: boolean;
  /** Whether signing in (again, or as someone else) is what helps. */
  readonly needsSignIn: boolean;
  /** The fields at fault, by their path in the request. */
  readonly fields: readonly { readonly field: string; readonly description: string }[];
  /** The facts that came with the reason. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The trace of the call that failed. */
  readonly traceId: string | undefined;
};

/** Explains an error. */
export function explain(error: unknown): Explanation {
  const details = detailsOf(error);
  const code = error instanceof ConnectError ? error.code : Code.Unknown;
  const reason = details.reason ?? reasonByCircumstance(error, code);
  const serverWords = details.reason !== undefined && error instanceof ConnectError ? error.rawMessage : '';
  const sentence = SENTENCES[reason]?.(details.metadata, serverWords);
  return {
    message: sentence?.message ?? (serverWords || 'Something went wrong on the way.'),
    action: sentence?.action ?? 'Try again in a moment.',
    reason,
    repeatable: REPEATABLE.has(code) || reason === 'NETWORK',
    needsSignIn: code === Code.Unauthenticated || reason === 'TOKEN_EXPIRED' || code === Code.PermissionDenied,
    fields: details.fields,
    metadata: details.metadata,
    traceId: traceIdOf(error),
  };
}

/** Whether a call that changes something may be sent again as it is, with its request id: nobody knows what became of it. */
export function isUncertain(error: unknown): boolean {
  const code = error instanceof ConnectError ? error.code : Code.Unknown;
  return isNetworkError(error) || UNCERTAIN.has(code);
}

/** Whether the browser got no answer at all. */
export function isNetworkError(error: unknown): boolean {
  const cause = error instanceof ConnectError ? error.cause : error;
  return cause instanceof TypeError;
}

const REPEATABLE: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.ResourceExhausted,
  Code.Internal,
  Code.Unknown,
  Code.Aborted,
]);

const UNCERTAIN: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.ResourceExhausted,
  Code.Internal,
  Code.Unknown,
  Code.Canceled,
]);

const BY_CODE: Readonly<Partial<Record<Code, string>>> = {
  [Code.Unauthenticated]: 'UNAUTHENTICATED',
  [Code.PermissionDenied]: 'NOT_PERMITTED',
  [Code.ResourceExhausted]: 'OVERLOADED',
  [Code.DeadlineExceeded]: 'DEADLINE',
  [Code.Unavailable]: 'UNREACHABLE',
  [Code.Internal]: 'INTERNAL',
  [Code.Unimplemented]: 'UNKNOWN_RPC',
  [Code.InvalidArgument]: 'MALFORMED_REQUEST',
  [Code.Canceled]: 'CANCELLED',
};

function reasonByCircumstance(error: unknown, code: Code): string {
  if (isNetworkError(error)) {
    return 'NETWORK';
  }
  // The edge says so in the text alone: its check of the token comes before any part that knows the catalogue.
  if (code === Code.Unauthenticated && error instanceof ConnectError && /expired/i.test(error.rawMessage)) {
    return 'TOKEN_EXPIRED';
  }
  return BY_CODE[code] ?? 'UNKNOWN';
}
