/** Calls through the edge as any stranger's program would: gRPC over cleartext HTTP/2, with a bearer token. */
import type { DescService } from '@bufbuild/protobuf';
import { type Client, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';

export interface EdgeClient {
  of<S extends DescService>(service: S): Client<S>;
  /** Closes the connection. */
  close(): void;
}

/** Clients of the edge at `url`, all on one connection, that show `token` with each call. */
export function edgeClient(url: string, token: string): EdgeClient {
  const sessionManager = new Http2SessionManager(url);
  const transport: Transport = createGrpcTransport({
    baseUrl: url,
    sessionManager,
    interceptors: [
      (next) => (request) => {
        request.header.set('authorization', `Bearer ${token}`);
        return next(request);
      },
    ],
  });
  return { of: (service) => createClient(service, transport), close: () => sessionManager.abort() };
}

/** A failed call in words: its message, which begins with the status. */
export function describeCallError(error: unknown): string {
  return ConnectError.from(error).message;
}
