/**
 * Makes and reads typed errors: a `ConnectError` whose google.rpc.ErrorInfo names a reason of the catalogue.
 */

import { ConnectError } from '@connectrpc/connect';
import { catalogue, isReason, type Reason } from './catalogue.ts';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from './details.ts';

/** The domain of every reason in the catalogue. */
export const ERROR_DOMAIN = 'weft';

/** Of the message, and of each fact. */
const TEXT_MAX_CHARACTERS = 1_000;

/** What else an error can say. */
export type FailOptions = {
  /** When to come back, in milliseconds, at least 1. Sent as google.rpc.RetryInfo. */
  readonly retryAfterMs?: number;
  /** The fields at fault. Sent as google.rpc.BadRequest. `reason` is the id of the rule, if it has one. */
  readonly fieldViolations?: readonly { field: string; description: string; reason?: string }[];
  /** What led to it. It is logged and never sent. */
  readonly cause?: unknown;
};

/**
 * Makes the error of a reason, to be thrown by a handler.
 *
 * @param reason a reason of the catalogue; it decides the gRPC status.
 * @param message what happened this time, for a person. It is sent: no SQL, no paths, nobody's personal data. Absent: the
 *   catalogue's sentence.
 * @param metadata facts a program can use, such as `{sku, available: '3'}`. Sent as ErrorInfo.metadata.
 */
export function fail(
  reason: Reason,
  message?: string,
  metadata: Readonly<Record<string, string>> = {},
  options: FailOptions = {},
): ConnectError {
  const { code, meaning } = catalogue[reason];
  const error = new ConnectError(wellFormed(message ?? meaning), code, undefined, undefined, options.cause);
  const facts = Object.fromEntries(Object.entries(metadata).map(([name, fact]) => [name, wellFormed(fact)]));
  error.details.push({ desc: ErrorInfoSchema, value: { reason, domain: ERROR_DOMAIN, metadata: facts } });
  if (options.fieldViolations !== undefined) {
    const fieldViolations = options.fieldViolations.map((violation) => ({ reason: '', ...violation }));
    error.details.push({ desc: BadRequestSchema, value: { fieldViolations } });
  }
  if (options.retryAfterMs !== undefined) {
    const ms = Math.max(1, Math.round(options.retryAfterMs));
    const retryDelay = { seconds: BigInt(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1_000_000 };
    error.details.push({ desc: RetryInfoSchema, value: { retryDelay } });
  }
  return error;
}

/** The catalogue's reason of a caught error, thrown here or received; undefined when it has none. */
export function reasonOf(error: unknown): Reason | undefined {
  const reason = infoOf(error)?.reason;
  return reason !== undefined && isReason(reason) ? reason : undefined;
}

/** The facts that came with an error's reason; empty when it has none. */
export function metadataOf(error: unknown): Readonly<Record<string, string>> {
  return infoOf(error)?.metadata ?? {};
}

/** The fields at fault, empty when the error names none. */
export function fieldViolationsOf(error: unknown): readonly { field: string; description: string; reason: string }[] {
  if (!(error instanceof ConnectError)) {
    return [];
  }
  return error.findDetails(BadRequestSchema).flatMap((detail) => detail.fieldViolations);
}

/** How long to wait before repeating, in milliseconds; undefined when the error does not say. */
export function retryAfterMsOf(error: unknown): number | undefined {
  const delay = error instanceof ConnectError ? error.findDetails(RetryInfoSchema)[0]?.retryDelay : undefined;
  return delay === undefined ? undefined : Number(delay.seconds) * 1_000 + delay.nanos / 1_000_000;
}

/** A text that was cut in the middle of a character cannot be encoded for the wire. At most as long as a header should be. */
function wellFormed(text: string): string {
  return text.slice(0, TEXT_MAX_CHARACTERS).toWellFormed();
}

function infoOf(error: unknown) {
  if (!(error instanceof ConnectError)) {
    return undefined;
  }
  return error.findDetails(ErrorInfoSchema).find((info) => info.domain === ERROR_DOMAIN);
}
