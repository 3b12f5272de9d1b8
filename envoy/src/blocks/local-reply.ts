/**
 * What Envoy itself answers, in the words of the caller's protocol. gRPC replies are right by themselves but for two: an overload
 * must be RESOURCE_EXHAUSTED, or callers retry it and multiply the load, and a denial must say what was denied. Connect replies are
 * text/plain by themselves, which leaves clients to guess from the HTTP status; here they become Connect's JSON errors.
 */
import { type BlockMap, noted } from './block.ts';

/** How the filter of a mapper knows a reply. */
type Cause = { readonly status: number } | { readonly flag: 'UO' | 'RL' };

interface Reply {
  readonly cause: Cause;
  readonly code: string;
  /** Absent: Envoy's own text. */
  readonly message?: string;
  /** Replaces the gRPC status that Envoy would send. */
  readonly grpcStatus?: number;
  /** Replaces the HTTP status that Envoy would send to Connect clients. */
  readonly httpStatus?: number;
}

const overloaded = 'too many requests at once; try again later';
const limited = 'rate limit exceeded; try again in a second';

function replies(denied: string): Reply[] {
  return [
    { cause: { flag: 'UO' }, code: 'resource_exhausted', message: overloaded, grpcStatus: 8, httpStatus: 429 },
    { cause: { flag: 'RL' }, code: 'resource_exhausted', message: limited },
    { cause: { status: 403 }, code: 'permission_denied', message: denied },
    { cause: { status: 400 }, code: 'invalid_argument' },
    { cause: { status: 401 }, code: 'unauthenticated' },
    { cause: { status: 404 }, code: 'unimplemented' },
    { cause: { status: 408 }, code: 'deadline_exceeded' },
    { cause: { status: 413 }, code: 'resource_exhausted' },
    { cause: { status: 429 }, code: 'resource_exhausted' },
    { cause: { status: 431 }, code: 'resource_exhausted' },
    { cause: { status: 500 }, code: 'internal' },
    { cause: { status: 502 }, code: 'unavailable' },
    { cause: { status: 503 }, code: 'unavailable' },
    { cause: { status: 504 }, code: 'deadline_exceeded' },
  ];
}

/** The `local_reply_config` of a connection manager. `denied` is what RBAC's refusals say; it may hold access log operators. */
export function localReply(denied: string): BlockMap {
  return {
    mappers: replies(denied).flatMap((reply) => {
      const grpc = reply.message === undefined ? [] : [grpcMapper(reply, reply.message)];
      return [...grpc, connectMapper(reply)];
    }),
  };
}

function grpcMapper({ cause, grpcStatus }: Reply, message: string): BlockMap {
  return {
    filter: { and_filter: { filters: [causeFilter(cause), grpcFilter(true)] } },
    ...(grpcStatus === undefined
      ? {}
      : {
          headers_to_add: [
            {
              header: { key: 'grpc-status', value: String(grpcStatus) },
              append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
            },
          ],
        }),
    body_format_override: { text_format_source: { inline_string: message } },
  };
}

function connectMapper({ cause, code, message, httpStatus }: Reply): BlockMap {
  return {
    filter: { and_filter: { filters: [causeFilter(cause), grpcFilter(false)] } },
    status_code: httpStatus,
    body_format_override: { json_format: { code, message: message ?? '%LOCAL_REPLY_BODY%' } },
  };
}

const causeFilter = (cause: Cause): BlockMap =>
  'flag' in cause
    ? { response_flag_filter: { flags: [cause.flag] } }
    : {
        status_code_filter: {
          comparison: { op: 'EQ', value: { default_value: cause.status, runtime_key: `local_reply.${cause.status}` } },
        },
      };

const grpcFilter = (isGrpc: boolean): BlockMap => ({
  header_filter: {
    header: {
      name: 'content-type',
      string_match: { prefix: 'application/grpc' },
      invert_match: isGrpc ? undefined : true,
    },
  },
});

/** `noted` with the reason that every connection manager has for carrying this. */
export const localReplyNoted = (denied: string) =>
  noted("Envoy's own refusals, as gRPC and Connect clients understand them.", localReply(denied));
