/** What browsers need of the edge: CORS, gRPC-Web, and the trace of each response. */
import { any, type BlockMap, extension } from './block.ts';
import { filters, traceHeader } from './names.ts';

const allowedHeaders = [
  'authorization',
  'content-type',
  'connect-protocol-version',
  'connect-timeout-ms',
  'grpc-timeout',
  'x-grpc-web',
  'x-user-agent',
  'traceparent',
  'tracestate',
];
const exposedHeaders = [
  'grpc-status',
  'grpc-message',
  'grpc-status-details-bin',
  traceHeader,
  'retry-after',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
];

export const corsFilter = (): BlockMap => extension(filters.cors, 'extensions.filters.http.cors.v3.Cors');

/** For the virtual host, so that also what is refused carries the headers by which a browser may read why. `more` may be sent too. */
export const corsPolicy = (origins: readonly string[], more: readonly string[]): BlockMap => ({
  [`envoy.${filters.cors}`]: any('extensions.filters.http.cors.v3.CorsPolicy', {
    allow_origin_string_match: origins.map((regex) => ({ safe_regex: { regex } })),
    allow_methods: 'GET,POST',
    allow_headers: [...allowedHeaders, ...more].join(','),
    expose_headers: exposedHeaders.join(','),
    max_age: '600',
  }),
});

export const grpcWebFilter = (): BlockMap => extension(filters.grpcWeb, 'extensions.filters.http.grpc_web.v3.GrpcWeb');

/** Adds the trace's id to every response, Envoy's own ones included. */
export const traceHeaderFilter = (): BlockMap =>
  extension(filters.headerMutation, 'extensions.filters.http.header_mutation.v3.HeaderMutation', {
    mutations: {
      response_mutations: [
        {
          append: {
            header: { key: traceHeader, value: '%TRACE_ID%' },
            append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
          },
        },
      ],
    },
  });
