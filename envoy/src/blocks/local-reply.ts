/**
 * What Envoy itself answers, in the words of the caller's protocol and with a text to act on.
 *
 * gRPC: an overload must be RESOURCE_EXHAUSTED, or callers retry it and multiply the load. Connect: replies are text/plain by
 * themselves, which leaves clients to guess from the HTTP status; here they become Connect's JSON errors, and for its streams what ends a
 * stream wherever the HTTP status would mislead. gRPC-Web (at the edge):
 * Envoy derives the status from the HTTP status, which knows neither RESOURCE_EXHAUSTED nor DEADLINE_EXCEEDED. What is refused for
 * now says when to come back.
 */
import { type BlockMap, extension, type Noted, noted } from './block.ts';
import { retryInfoForConnect, retryInfoForGrpc } from './retry-info.ts';

/** How a mapper knows a reply: by its HTTP status, as an overflow of a concurrency limit, as a refused token, or as one that cannot be judged. */
type Cause = number | 'overflow' | 'token' | 'no keys';

interface Reply {
  readonly cause: Cause;
  /** Connect's code. */
  readonly code: string;
  /** May hold access log operators. Absent: Envoy's own text. */
  readonly message?: string;
  /** The gRPC status, where Envoy would send another one to gRPC clients. */
  readonly grpcStatus?: number;
  /** The gRPC status, where Envoy would send another one to gRPC-Web clients. */
  readonly grpcWebStatus?: number;
  /** The HTTP status, where Envoy would send another one to Connect and gRPC-Web clients. */
  readonly httpStatus?: number;
  /** Whether it is refused for now only: by then buckets are filled again, and another request may have ended. */
  readonly retryAfterSeconds?: number;
}

const overloaded = 'too many requests at once; try again later';
const limited = 'rate limit exceeded; try again in a second';
const late = 'the deadline passed before there was an answer';
const large = 'the request is too large';
const unreachable = 'the service cannot be reached at the moment; try again';
const unauthenticated = '%LOCAL_REPLY_BODY%: send "authorization: Bearer <token>" with a valid token';

/** At the edge. The token may be good: Envoy has no keys yet, and its answer of 401 would make clients throw it away. */
const withoutKeys: Reply = {
  cause: 'no keys',
  code: 'unavailable',
  message: 'tokens cannot be verified at the moment; try again',
  grpcStatus: 14,
  grpcWebStatus: 14,
  httpStatus: 503,
};

/** The first that fits is taken. Envoy's texts of 502 and 503 name peers and sockets, so they stay in the access log. */
const replies = ({ denied, unknown, grpcWeb }: Words): readonly Reply[] => [
  {
    cause: 'overflow',
    code: 'resource_exhausted',
    message: overloaded,
    grpcStatus: 8,
    grpcWebStatus: 8,
    httpStatus: 429,
    retryAfterSeconds: 1,
  },
  { cause: 400, code: 'invalid_argument' },
  ...(grpcWeb ? [withoutKeys] : []),
  // Envoy answers 403 to a token for another audience, which is no question of rights.
  { cause: 'token', code: 'unauthenticated', message: unauthenticated, grpcStatus: 16, httpStatus: 401 },
  { cause: 403, code: 'permission_denied', message: denied },
  { cause: 404, code: 'unimplemented', ...(unknown === undefined ? {} : { message: unknown }) },
  { cause: 408, code: 'deadline_exceeded', message: late, grpcWebStatus: 4 },
  { cause: 413, code: 'resource_exhausted', message: large, grpcStatus: 8, grpcWebStatus: 8 },
  { cause: 429, code: 'resource_exhausted', message: limited, grpcStatus: 8, grpcWebStatus: 8, retryAfterSeconds: 1 },
  { cause: 431, code: 'resource_exhausted', message: large, grpcStatus: 8, grpcWebStatus: 8 },
  { cause: 500, code: 'internal' },
  { cause: 502, code: 'unavailable', message: unreachable },
  { cause: 503, code: 'unavailable', message: unreachable },
  { cause: 504, code: 'deadline_exceeded', message: late, grpcWebStatus: 4 },
];

/** The header in which the edge keeps the content type that gRPC-Web clients sent: its filter replaces the original. */
export const originalTypeHeader = 'x-weft-content-type';

interface Words {
  /** What RBAC's refusals say; may hold access log operators. */
  readonly denied: string;
  /** What answers to unknown RPCs say, where the route does not. */
  readonly unknown?: string;
  /** Whether gRPC-Web clients come here. */
  readonly grpcWeb: boolean;
}

/** The `local_reply_config` of a connection manager. */
export function localReply(words: Words): Noted {
  const mappers = replies(words).flatMap((reply) => [
    ...(words.grpcWeb ? grpcWebMapper(reply) : []),
    ...grpcMapper(reply),
    ...connectStreamMapper(reply),
    connectMapper(reply),
  ]);
  return noted("Envoy's own refusals, as gRPC and Connect clients understand them.", { mappers });
}

/** An answer without a body whose headers are the trailers: what gRPC-Web's filter passes on as it is. */
function grpcWebMapper(reply: Reply): BlockMap[] {
  const { cause, grpcWebStatus, message = '' } = reply;
  if (grpcWebStatus === undefined) return [];
  return [
    {
      filter: both(causeFilter(cause), typeFilter(originalTypeHeader, 'application/grpc-web')),
      status_code: 200,
      headers_to_add: [...grpcStatusOf(reply, grpcWebStatus), header('grpc-message', message)],
      body_format_override: { text_format_source: { inline_string: '' } },
    },
  ];
}

function grpcMapper(reply: Reply): BlockMap[] {
  const { cause, grpcStatus, httpStatus, message } = reply;
  if (message === undefined) return [];
  return [
    {
      filter: both(causeFilter(cause), typeFilter('content-type', 'application/grpc')),
      status_code: httpStatus,
      headers_to_add: grpcStatus === undefined ? undefined : grpcStatusOf(reply, grpcStatus),
      body_format_override: { text_format_source: { inline_string: message } },
    },
  ];
}

const connectMapper = ({ cause, code, message, httpStatus, retryAfterSeconds }: Reply): BlockMap => ({
  filter: both(causeFilter(cause), typeFilter('content-type', 'application/grpc', true)),
  status_code: httpStatus,
  headers_to_add: retryAfterSeconds === undefined ? undefined : [retryAfter(retryAfterSeconds)],
  body_format_override: {
    json_format: {
      code,
      message: message ?? '%LOCAL_REPLY_BODY%',
      details: retryAfterSeconds === undefined ? undefined : [retryInfoForConnect(retryAfterSeconds)],
    },
  },
});

/** The one message of a stream that ends with an error: five bytes of prefix, whose first says that it is the last, and the error. */
function connectStreamMapper({ cause, code, message, grpcWebStatus, retryAfterSeconds }: Reply): BlockMap[] {
  // Without a status of its own for gRPC-Web, the one that clients derive from the HTTP status is right for Connect, too.
  if (grpcWebStatus === undefined || message === undefined) return [];
  const details = retryAfterSeconds === undefined ? {} : { details: [retryInfoForConnect(retryAfterSeconds)] };
  const end = Buffer.from(JSON.stringify({ error: { code, message, ...details } }));
  const prefix = Buffer.from([2, 0, 0, 0, 0]);
  prefix.writeUInt32BE(end.length, 1);
  return [
    {
      filter: both(causeFilter(cause), typeFilter('content-type', 'application/connect+')),
      status_code: 200,
      headers_to_add: [
        header('content-type', '%REQ(content-type)%'),
        ...(retryAfterSeconds === undefined ? [] : [retryAfter(retryAfterSeconds)]),
      ],
      body_format_override: {
        text_format_source: noted(`${code}: ${message}`, {
          inline_bytes: Buffer.concat([prefix, end]).toString('base64'),
        }),
      },
    },
  ];
}

function grpcStatusOf({ message = '', retryAfterSeconds }: Reply, status: number): BlockMap[] {
  if (retryAfterSeconds === undefined) return [header('grpc-status', String(status))];
  const details = retryInfoForGrpc(status, message, retryAfterSeconds);
  return [
    header('grpc-status', String(status)),
    header('grpc-status-details-bin', details),
    retryAfter(retryAfterSeconds),
  ];
}

const retryAfter = (seconds: number): BlockMap => header('retry-after', String(seconds));

const both = (...filters: BlockMap[]): BlockMap => ({ and_filter: { filters } });

const header = (key: string, value: string): BlockMap => ({
  header: { key, value },
  append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
});

function causeFilter(cause: Cause): BlockMap {
  if (cause === 'overflow') return { response_flag_filter: { flags: ['UO'] } };
  if (cause === 'no keys') return celFilter("response.code_details.startsWith('jwt_authn_access_denied{Jwks_remote')");
  if (cause === 'token') return celFilter("response.code_details.startsWith('jwt_authn')");
  const value = { default_value: cause, runtime_key: `local_reply.${cause}` };
  return { status_code_filter: { comparison: { op: 'EQ', value } } };
}

const celFilter = (expression: string): BlockMap => ({
  extension_filter: extension(
    'access_loggers.extension_filters.cel',
    'extensions.access_loggers.filters.cel.v3.ExpressionFilter',
    { expression },
  ),
});

const typeFilter = (name: string, prefix: string, inverted?: true): BlockMap => ({
  header_filter: { header: { name, string_match: { prefix }, invert_match: inverted } },
});
