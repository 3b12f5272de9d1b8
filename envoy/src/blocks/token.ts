/** Tokens: JWTs of one issuer, verified at the edge, and forwarded as verified claims instead of as themselves. */
import type { Edge } from '../topology/topology.ts';
import { any, type BlockMap, extension } from './block.ts';
import { keysOf } from './key-set.ts';
import { claimsHeader, filters, tokenMetadata } from './names.ts';

const type = 'extensions.filters.http.jwt_authn.v3';

/** Whether a route needs a token, or only verifies the one that came. */
export type TokenRequirement = 'required' | 'optional';

export const tokenFilter = ({ issuer, audience, keySet }: Edge['token']): BlockMap =>
  extension(filters.jwt, `${type}.JwtAuthentication`, {
    providers: {
      issuer: {
        issuer,
        audiences: [audience],
        require_expiration: true,
        clock_skew_seconds: 5,
        ...keysOf(keySet),
        // Nowhere else: Envoy would take one from the query too, and addresses end up in histories and logs.
        from_headers: [{ name: 'authorization', value_prefix: 'Bearer ' }],
        forward: false,
        forward_payload_header: claimsHeader,
        payload_in_metadata: tokenMetadata.payload,
        normalize_payload_in_metadata: { space_delimited_claims: ['scope'] },
      },
    },
    requirement_map: {
      required: { provider_name: 'issuer' },
      optional: { requires_any: { requirements: [{ provider_name: 'issuer' }, { allow_missing: {} }] } },
    },
  });

export const routeVerifiesToken = (requirement: TokenRequirement): BlockMap => ({
  [`envoy.${filters.jwt}`]: any(`${type}.PerRouteConfig`, { requirement_name: requirement }),
});
