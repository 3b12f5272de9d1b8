/**
 * Token buckets: at the callee one per calling workload, at the edge one per token subject or client address. At a callee the edge
 * is not limited: it speaks for many users, each of whom it has limited already.
 */
import type { RateLimit } from '../contract/contract.ts';
import { any, type Block, type BlockMap, extension } from './block.ts';
import { claimsHeader, filters, spiffeId, tokenMetadata } from './names.ts';

const type = 'extensions.filters.http.local_ratelimit.v3.LocalRateLimit';
const statPrefix = 'limit';
/** Buckets that the edge remembers for one RPC; the one that was idle longest is forgotten first. */
const rememberedClients = 4096;
const unlimited: RateLimit = { requestsPerSecond: 1_000_000_000, burst: 1_000_000_000 };

/** The filter that routes configure; it does nothing by itself. */
export const rateLimitFilter = (): BlockMap => extension(filters.localRateLimit, type, { stat_prefix: statPrefix });

/** One bucket for each of `callers`. */
export function limitPerWorkload(trustDomain: string, callers: readonly string[], limit: RateLimit): BlockMap {
  return routeLimit({
    token_bucket: bucket(unlimited),
    rate_limits: [{ actions: [callerIdentity] }],
    descriptors: callers.map((caller) => ({
      entries: [{ key: 'caller', value: spiffeId(trustDomain, caller) }],
      token_bucket: bucket(limit),
    })),
  });
}

/** One bucket for each subject of a verified token, or for each client address where there is no token. */
export function limitPerClient(limit: RateLimit): BlockMap {
  return routeLimit({
    enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
    token_bucket: bucket(limit),
    max_dynamic_descriptors: rememberedClients,
    rate_limits: [{ actions: [subjectOfToken] }, { actions: [withoutToken, clientAddress] }],
    descriptors: [
      { entries: [{ key: 'subject' }], token_bucket: bucket(limit) },
      { entries: [{ key: 'token', value: 'none' }, { key: 'masked_remote_address' }], token_bucket: bucket(limit) },
    ],
  });
}

const routeLimit = (fields: BlockMap): BlockMap => ({
  [`envoy.${filters.localRateLimit}`]: any(type, {
    stat_prefix: statPrefix,
    filter_enabled: { default_value: { numerator: 100 } },
    filter_enforced: { default_value: { numerator: 100 } },
    rate_limited_as_resource_exhausted: true,
    always_consume_default_token_bucket: false,
    ...fields,
  }),
});

const bucket = ({ requestsPerSecond, burst }: RateLimit): BlockMap => ({
  max_tokens: burst,
  tokens_per_fill: requestsPerSecond,
  fill_interval: '1s',
});

const callerIdentity: Block = {
  extension: {
    name: 'envoy.rate_limit_descriptors.expr',
    typed_config: any('extensions.rate_limit_descriptors.expr.v3.Descriptor', {
      descriptor_key: 'caller',
      text: 'connection.uri_san_peer_certificate',
    }),
  },
};

const subjectOfToken: Block = {
  metadata: {
    descriptor_key: 'subject',
    metadata_key: { key: tokenMetadata.namespace, path: [{ key: tokenMetadata.payload }, { key: 'sub' }] },
    source: 'DYNAMIC',
  },
};

const withoutToken: Block = {
  header_value_match: {
    descriptor_key: 'token',
    descriptor_value: 'none',
    expect_match: false,
    headers: [{ name: claimsHeader, present_match: true }],
  },
};

/** An IPv6 client owns a /64 at least, so that is what is counted. */
const clientAddress: Block = { masked_remote_address: { v4_prefix_mask_len: 32, v6_prefix_mask_len: 64 } };
