/**
 * Who is calling: the workload, from the certificate that the inbound sidecar verified, and the user, from the token that
 * the edge verified. Both arrive as headers that the sidecars own: they overwrite or strip what a caller sends.
 */

import type { IncomingHttpHeaders } from 'node:http2';
import { fail } from '../errors/fail.ts';
import { log } from '../log.ts';
import { currentCall } from './call.ts';

/** Who is calling. */
export type Caller = {
  /** The calling workload, such as `shipping` or `edge`; undefined without a sidecar's word for it. */
  readonly workload: string | undefined;
  /** The user's id, the verified token's `sub`. Only the edge speaks for users. */
  readonly subject: string | undefined;
  /** The user's scopes, the verified token's `scope`. */
  readonly scopes: ReadonlySet<string>;
};

/** The one workload whose claims about users are believed. */
const EDGE = 'edge';
const SPIFFE_PREFIX = 'spiffe://weft.local/';
const NO_SCOPES: ReadonlySet<string> = new Set();

/** Reads the caller from the headers of a request. Anything unreadable counts as absent. */
export function callerOf(headers: IncomingHttpHeaders): Caller {
  const workload = workloadOf(headers['x-forwarded-client-cert']);
  const claims = workload === EDGE ? claimsOf(headers['x-weft-claims']) : undefined;
  return {
    workload,
    subject: typeof claims?.sub === 'string' && claims.sub !== '' ? claims.sub : undefined,
    scopes: typeof claims?.scope === 'string' ? new Set(claims.scope.split(' ').filter(Boolean)) : NO_SCOPES,
  };
}

/**
 * The user of the current call.
 *
 * @throws UNAUTHENTICATED when there is none.
 */
export function requireSubject(): string {
  const subject = currentCall()?.caller.subject;
  if (subject === undefined) {
    throw fail('UNAUTHENTICATED');
  }
  return subject;
}

/** Whether the user of the current call holds a scope. */
export function hasScope(scope: string): boolean {
  return currentCall()?.caller.scopes.has(scope) ?? false;
}

/**
 * In whose name the current call acts, for scoping idempotency keys: `subject:<sub>` for a user, else `workload:<name>`.
 */
export function principal(): string {
  const caller = currentCall()?.caller;
  return caller?.subject === undefined ? `workload:${caller?.workload ?? ''}` : `subject:${caller.subject}`;
}

/**
 * The workload of an `x-forwarded-client-cert` header: its only element's `URI`. The sidecar sets exactly one element, so a
 * header with several was not set by it and is not believed.
 */
function workloadOf(header: string | string[] | undefined): string | undefined {
  if (typeof header !== 'string') {
    return undefined;
  }
  // Values that hold separators are quoted, with \" inside: take such values out before looking for separators.
  const bare = header.replace(/"(?:[^"\\]|\\.)*"/g, '');
  if (bare.includes(',')) {
    return undefined;
  }
  const uris = bare.split(';').filter((pair) => pair.startsWith('URI='));
  const uri = uris.length === 1 ? uris[0]?.slice('URI='.length) : undefined;
  return uri?.startsWith(SPIFFE_PREFIX) ? uri.slice(SPIFFE_PREFIX.length) : undefined;
}

function claimsOf(header: string | string[] | undefined): Record<string, unknown> | undefined {
  if (typeof header !== 'string') {
    return undefined;
  }
  try {
    const claims: unknown = JSON.parse(Buffer.from(header, 'base64url').toString());
    return typeof claims === 'object' && claims !== null ? { ...claims } : undefined;
  } catch {
    log.warn('the edge forwarded claims that cannot be read');
    return undefined;
  }
}
