/**
 * The google.rpc messages that travel with an error: ErrorInfo (which error), BadRequest (which fields) and RetryInfo (when
 * to come back). Wire compatible with google/rpc/error_details.proto, described here rather than copied.
 */

import type { Message } from '@bufbuild/protobuf';
import { type GenMessage, messageDesc } from '@bufbuild/protobuf/codegenv2';
import {
  type Any,
  type Duration,
  file_google_protobuf_any,
  file_google_protobuf_duration,
} from '@bufbuild/protobuf/wkt';
import { describeFile } from '../wire/describe.ts';

/** Which error it is: `reason` within `domain`, and facts about this instance. */
export type ErrorInfo = Message<'google.rpc.ErrorInfo'> & {
  reason: string;
  domain: string;
  metadata: Record<string, string>;
};

/** How long to wait before repeating the call. */
export type RetryInfo = Message<'google.rpc.RetryInfo'> & { retryDelay?: Duration };

/** One field that breaks a rule. */
export type FieldViolation = Message<'google.rpc.BadRequest.FieldViolation'> & {
  /** Path from the request, such as `lines[2].quantity`. */
  field: string;
  /** What is wrong with it, for a person. */
  description: string;
  /** The rule's id, such as `int32.gte`. */
  reason: string;
};

/** The fields of a request that break rules. */
export type BadRequest = Message<'google.rpc.BadRequest'> & { fieldViolations: FieldViolation[] };

/** The whole status, as `grpc-status-details-bin` carries it. */
export type Status = Message<'google.rpc.Status'> & { code: number; message: string; details: Any[] };

const errorDetails = describeFile({
  name: 'google/rpc/error_details.proto',
  package: 'google.rpc',
  imports: [file_google_protobuf_duration],
  messages: {
    ErrorInfo: { fields: { reason: '1 string', domain: '2 string', metadata: '3 map<string, string>' } },
    RetryInfo: { fields: { retry_delay: '1 .google.protobuf.Duration' } },
    BadRequest: {
      fields: { field_violations: '1 repeated .google.rpc.BadRequest.FieldViolation' },
      messages: { FieldViolation: { fields: { field: '1 string', description: '2 string', reason: '3 string' } } },
    },
  },
});

const status = describeFile({
  name: 'google/rpc/status.proto',
  package: 'google.rpc',
  imports: [file_google_protobuf_any],
  messages: {
    Status: { fields: { code: '1 int32', message: '2 string', details: '3 repeated .google.protobuf.Any' } },
  },
});

export const ErrorInfoSchema: GenMessage<ErrorInfo> = messageDesc(errorDetails, 0);
export const RetryInfoSchema: GenMessage<RetryInfo> = messageDesc(errorDetails, 1);
export const BadRequestSchema: GenMessage<BadRequest> = messageDesc(errorDetails, 2);
export const StatusSchema: GenMessage<Status> = messageDesc(status, 0);
