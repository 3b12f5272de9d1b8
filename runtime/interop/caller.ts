/** A client of TestService as the cases see it, whichever library it is of. */

import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  SimpleRequestSchema,
  SimpleResponse,
  StreamingInputCallRequestSchema,
  StreamingOutputCallRequestSchema,
  StreamingOutputCallResponse,
} from './grpc-testing.ts';

/** Headers by lower-case name; the values of those that end in `-bin` are their bytes in base64. */
export type Metadata = Readonly<Record<string, string>>;

/** What a call is made with. */
export type CallerOptions = { readonly headers?: Metadata; readonly timeoutMs?: number };

/** What a call failed with, in gRPC's words. */
export class StatusError extends Error {
  readonly code: number;
  readonly details: string;

  constructor(code: number, details: string) {
    super(`status ${code}: ${details}`);
    this.code = code;
    this.details = details;
  }
}

/** A call in which both sides may talk, each at its own pace. */
export type Talk<Request, Response> = {
  send(request: Request): void;
  /** Sends nothing more. */
  closeSend(): void;
  /** The next answer; undefined when there is no more. @throws StatusError */
  receive(): Promise<Response | undefined>;
  cancel(): void;
  /** What was received so far. */
  headers(): Metadata;
  trailers(): Metadata;
};

export type OutputRequest = MessageInitShape<typeof StreamingOutputCallRequestSchema>;
export type InputRequest = MessageInitShape<typeof StreamingInputCallRequestSchema>;

/** Every method fails with a StatusError and nothing else. */
export type Caller = {
  emptyCall(): Promise<void>;
  unaryCall(
    request: MessageInitShape<typeof SimpleRequestSchema>,
    options?: CallerOptions,
  ): Promise<{ readonly response: SimpleResponse; readonly headers: Metadata; readonly trailers: Metadata }>;
  streamingOutputCall(request: OutputRequest): AsyncIterable<StreamingOutputCallResponse>;
  /** The one answer is the number of bytes that were received. */
  streamingInputCall(options?: CallerOptions): Talk<InputRequest, number>;
  fullDuplexCall(options?: CallerOptions): Talk<OutputRequest, StreamingOutputCallResponse>;
  /** A method that the service does not have. */
  unimplementedMethod(): Promise<void>;
  /** A service that the server does not have. */
  unimplementedService(): Promise<void>;
  close(): void;
};
