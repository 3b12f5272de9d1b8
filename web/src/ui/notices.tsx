/**
 * What a page says when it waits, has nothing, or failed.
 */

import type { ReactNode } from 'react';
import { Link } from '../app/router.tsx';
import { type Explanation, explain } from '../rpc/explain.ts';

/** Tells an error and what to do about it. It is announced to screen readers when it appears. */
export function ErrorNotice({
  error,
  onRetry,
  children,
}: {
  error: unknown;
  onRetry?: () => void;
  children?: ReactNode;
}) {
  return (
    <ExplanationNotice explanation={explain(error)} {...(onRetry ? { onRetry } : {})}>
      {children}
    </ExplanationNotice>
  );
}

/** Tells an error that was explained already. */
export function ExplanationNotice({
  explanation,
  onRetry,
  children,
}: {
  explanation: Explanation;
  onRetry?: () => void;
  children?: ReactNode;
}) {
  const { message, action, reason, needsSignIn, fields } = explanation;
  // Whoever must sign in first may not see traces, and a trace that is not there has none of interest.
  const traceId = needsSignIn || reason === 'TRACE_NOT_FOUND' ? undefined : explanation.traceId;
  return (
    <div className="notice notice-error" role="alert">
      <p>
        <strong>{message}</strong> {action}
      </p>
      {fields.length > 0 && (
        <ul>
          {fields.map(({ field, description }) => (
            <li key={`${field} ${description}`}>
              <code>{field}</code>: {description}
            </li>
          ))}
        </ul>
      )}
      {children}
      <p className="notice-foot">
        {needsSignIn && <Link href={signInPath()}>Sign in</Link>}
        {onRetry && !needsSignIn && (
          <button type="button" className="button button-quiet" onClick={onRetry}>
            Try again
          </button>
        )}
        <code className="reason">{reason}</code>
        {traceId && <Link href={`/traces/${traceId}`}>See its trace</Link>}
      </p>
    </div>
  );
}

/** The way to the sign-in page and back to here. */
export function signInPath(): string {
  return `/sign-in?back=${encodeURIComponent(`${location.pathname}${location.search}`)}`;
}

/** Says that there is nothing yet. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** Says that something is on its way. */
export function Loading({ what }: { what: string }) {
  return (
    <p className="loading" role="status">
      {what}…
    </p>
  );
}

/** A page's heading; it takes the focus when one navigates here. */
export function Heading({ children, aside }: { children: ReactNode; aside?: ReactNode }) {
  return (
    <div className="page-head">
      <h1 tabIndex={-1}>{children}</h1>
      {aside}
    </div>
  );
}
