/** Callers as Connect's own libraries are, so that what they get is what a real client gets: gRPC, Connect and gRPC-Web on one connection. */
import { createConnection, type Socket } from 'node:net';
import {
  create,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  type Message,
} from '@bufbuild/protobuf';
import { Code, ConnectError, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';
import { type ClientIdentity, mutualTls } from './grpc-client.ts';

export type Protocol = 'grpc' | 'connect' | 'grpc-web';

/** What a client learns of a call. */
export interface Outcome {
  /** gRPC's number; 0 is OK. */
  readonly code: number;
  readonly message: string;
  /** Of a failed call: whatever else came with it. */
  readonly error: ConnectError | undefined;
  readonly messages: readonly Message[];
  /** False when no header ever came back, such as after a handshake that was refused. */
  readonly isAnswered: boolean;
}

export interface CallOptions {
  readonly protocol?: Protocol;
  readonly headers?: Record<string, string>;
  /** Default: no timeout of the client's own. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export class Caller {
  readonly #session: Http2SessionManager;
  readonly #transports: Record<Protocol, Transport>;

  private constructor(baseUrl: string, socket: () => Socket) {
    this.#session = new Http2SessionManager(baseUrl, undefined, { createConnection: socket });
    const options = { baseUrl, httpVersion: '2', sessionManager: this.#session } as const;
    this.#transports = {
      grpc: createGrpcTransport(options),
      connect: createConnectTransport({ ...options, useBinaryFormat: false }),
      'grpc-web': createGrpcWebTransport(options),
    };
  }

  /** Plaintext to a Unix socket, as a service speaks to its sidecar. */
  static overSocket(path: string, authority: string): Caller {
    return new Caller(`http://${authority}`, () => createConnection(path));
  }

  /** Plaintext to a port, as strangers speak to the edge. */
  static overTcp(port: number): Caller {
    return new Caller(`http://127.0.0.1:${port}`, () => createConnection(port, '127.0.0.1'));
  }

  /** mTLS to a Unix socket, as a caller's sidecar speaks to a callee's. */
  static overTls(path: string, authority: string, identity: ClientIdentity): Caller {
    return new Caller(`https://${authority}`, () => mutualTls(path, identity));
  }

  /** Calls an RPC with an empty message; of a stream all messages are read. Never rejects. */
  async call(
    method: DescMethod,
    { protocol = 'grpc', headers, timeoutMs, signal }: CallOptions = {},
  ): Promise<Outcome> {
    const transport = this.#transports[protocol];
    const input = create(method.input);
    try {
      if (method.methodKind === 'unary') {
        const { message } = await transport.unary(method as DescMethodUnary, signal, timeoutMs, headers, input);
        return { code: 0, message: '', error: undefined, messages: [message], isAnswered: true };
      }
      const inputs = (async function* () {
        yield input;
      })();
      const response = await transport.stream(method as DescMethodStreaming, signal, timeoutMs, headers, inputs);
      const messages = await Array.fromAsync(response.message);
      return { code: 0, message: '', error: undefined, messages, isAnswered: true };
    } catch (reason) {
      const error = ConnectError.from(reason, Code.Internal);
      const isAnswered = [...error.metadata].length > 0;
      return { code: error.code, message: error.rawMessage, error, messages: [], isAnswered };
    }
  }

  close(): void {
    this.#session.abort();
  }
}
