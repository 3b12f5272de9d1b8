/**
 * Signing in by pasting a bearer token, and what the token says of itself.
 */

import { type FormEvent, useState } from 'react';
import { navigate, usePageTitle, usePlace } from '../app/router.tsx';
import { Heading } from '../ui/notices.tsx';
import { signIn, signOut, useSession } from './session.ts';

export function SignInPage() {
  const { token, expired } = useSession();
  const { query } = usePlace();
  const [problem, setProblem] = useState('');
  usePageTitle(token === undefined ? 'Sign in' : 'Your token');

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    try {
      signIn(String(new FormData(event.currentTarget).get('token')));
      setProblem('');
      navigate(backPath(query.get('back')));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };

  return (
    <div className="sign-in">
      <Heading>{token === undefined ? 'Sign in' : 'Your token'}</Heading>
      {token !== undefined && (
        <>
          {expired && (
            <p className="notice notice-error" role="alert">
              <strong>This token has expired.</strong> Paste a new one. Your basket stays as it is.
            </p>
          )}
          <dl className="facts">
            <div>
              <dt>Subject</dt>
              <dd>{token.subject}</dd>
            </div>
            <div>
              <dt>{expired ? 'Expired' : 'Expires'}</dt>
              <dd>{token.expiresAtMs === undefined ? 'never' : new Date(token.expiresAtMs).toLocaleString()}</dd>
            </div>
            <div>
              <dt>Scopes</dt>
              <dd>
                {token.scopes.length === 0 ? (
                  'none'
                ) : (
                  <ul className="scopes">
                    {token.scopes.map((scope) => (
                      <li key={scope}>
                        <code>{scope}</code>
                      </li>
                    ))}
                  </ul>
                )}
              </dd>
            </div>
          </dl>
          <p>
            <button type="button" className="button button-quiet" onClick={signOut}>
              Sign out
            </button>
          </p>
        </>
      )}
      <form onSubmit={submit} noValidate>
        <label htmlFor="token">{token === undefined ? 'Bearer token' : 'Another token'}</label>
        <textarea
          id="token"
          name="token"
          className="mono"
          rows={6}
          autoComplete="off"
          spellCheck={false}
          aria-invalid={problem !== ''}
          aria-describedby={problem === '' ? 'token-help' : 'token-problem token-help'}
        />
        {problem !== '' && (
          <p className="field-problem" id="token-problem" role="alert">
            {problem}
          </p>
        )}
        <p className="quiet" id="token-help">
          <code>npm start</code> prints one for trying out. It stays in this tab and is gone when you close it.
        </p>
        <button type="submit" className="button button-primary">
          Sign in
        </button>
      </form>
    </div>
  );
}

/** Where to go after signing in: a path of this page and nothing else. */
export function backPath(back: string | null): string {
  return back?.startsWith('/') && !back.startsWith('//') && !back.startsWith('/\\') ? back : '/';
}
