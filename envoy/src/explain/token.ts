/** Tokens that the edge did not believe: what was wrong with one, and what a good one looks like. */
import { type DenialRule, type Evidence, fragmentsOf, placeOf } from './evidence.ts';

/** What Envoy says in its details, and what it means. */
const faults: readonly (readonly [pattern: RegExp, why: string])[] = [
  [/Jwt_is_missing/, 'the call brought no token'],
  [/Jwt_is_expired/, 'the token has expired'],
  [/Jwt_not_yet_valid/, 'the token is not valid yet'],
  [/issuer_is_not_configured/i, 'the token was issued by somebody else'],
  [/Audience/i, 'the token is for another audience'],
  [/verification_fails/i, 'the signature of the token does not fit'],
  [/kid|alg/i, 'the token is signed with a key or an algorithm that the edge does not know'],
  [/form_of|Base64|json|payload|header/i, 'the token is no JWT'],
];

export const tokenRefused: DenialRule['judge'] = (evidence) => {
  const { line, mesh, bootstraps, method } = evidence;
  const detail = /\{(.*)\}/.exec(line.details ?? '')?.[1] ?? '';
  const [, why = 'the token is not accepted'] = faults.find(([pattern]) => pattern.test(detail)) ?? [];
  return {
    why: `${why} (${detail.replaceAll('_', ' ')})`,
    mend: goodToken(evidence),
    sources: method?.exposure === 'AUTHENTICATED' ? placeOf(evidence, ['exposure']) : [],
    fragments: [
      ...(method ? fragmentsOf(() => bootstraps.tokenOfRoute(method.fullName)) : []),
      ...(mesh.topology.edge.token ? fragmentsOf(() => bootstraps.tokenIssuer()) : []),
    ],
  };
};

function goodToken({ mesh, method }: Evidence): string {
  const { issuer, audience } = mesh.topology.edge.token;
  const scopes = method?.scopes.length ? `, with one of the scopes ${method.scopes.join(', ')}` : '';
  const optional = method?.exposure === 'PUBLIC' ? 'Send none, or send' : 'Send';
  return `${optional} \`authorization: Bearer <token>\` with a JWT of ${issuer} for ${audience} that has not expired${scopes}`;
}
