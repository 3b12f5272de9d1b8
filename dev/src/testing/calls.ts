/** For tests that call a service as its sidecar would: they say who calls, and what a call that fails must fail with. */
import { randomUUID } from 'node:crypto';
import type { Interceptor, Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { reasonOf } from '@weft/runtime/errors/fail';

/** Who calls: a workload, and for the edge the user whose token it has verified. */
export interface Caller {
  /** Default `edge`. */
  readonly workload?: string;
  /** The user; without one the call has none. */
  readonly subject?: string;
  /** The user's scopes, with spaces between. Default none. */
  readonly scopes?: string;
}

/**
 * gRPC to a service's own address, in the words of the sidecar that passes the call on.
 *
 * @param interceptors what else is done with each call, outermost first.
 */
export function transportAs(
  address: string,
  { workload = 'edge', subject, scopes }: Caller = {},
  interceptors: readonly Interceptor[] = [],
): Transport {
  const claims = subject === undefined ? undefined : JSON.stringify({ sub: subject, scope: scopes });
  return createGrpcTransport({
    baseUrl: `http://${address}`,
    interceptors: [
      ...interceptors,
      (next) => (request) => {
        request.header.set('x-forwarded-client-cert', `URI=spiffe://weft.local/${workload}`);
        if (claims !== undefined) {
          request.header.set('x-weft-claims', Buffer.from(claims).toString('base64url'));
        }
        return next(request);
      },
    ],
  });
}

/** A new request id. */
export const requestId = (): string => randomUUID();

/** The error of a call that must fail. */
export async function failure(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    () => {
      throw new Error('it succeeded');
    },
    (error: unknown) => error,
  );
}

/** The catalogue's reason for which a call fails; the error itself when it has none, undefined when the call succeeds. */
export async function reasonFrom(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    () => undefined,
    (error: unknown) => reasonOf(error) ?? error,
  );
}
