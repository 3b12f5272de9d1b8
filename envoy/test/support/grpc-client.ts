/** A gRPC client that shows everything that came back, over a Unix socket, TCP, or mTLS. */
import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from 'node:http2';
import { createConnection } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { frame, messagesOf, readText, textMessage } from './wire.ts';

export interface Answer {
  /** gRPC's number, from trailers or from headers. */
  readonly status: number;
  readonly message: string;
  /** Headers and trailers together. */
  readonly metadata: Record<string, string>;
  /** The text of each message. */
  readonly texts: string[];
}

export interface Request {
  readonly rpc: string;
  readonly script?: string;
  /** Zero bytes to fill the message with. */
  readonly padding?: number;
  readonly headers?: OutgoingHttpHeaders;
}

/** PEMs of a client. */
export interface ClientIdentity {
  readonly certificate: string;
  readonly privateKey: string;
  readonly trusted: string;
}

/** A connection to a sidecar's listener for callers, as the sidecar of that identity makes it. */
export const mutualTls = (path: string, identity: ClientIdentity): TLSSocket =>
  connectTls({
    path,
    ALPNProtocols: ['h2'],
    cert: identity.certificate,
    key: identity.privateKey,
    ca: identity.trusted,
    checkServerIdentity: () => undefined, // SPIFFE ids are no host names.
  });

export class GrpcClient {
  readonly #session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.#session = session;
    session.on('error', () => {}); // Each call reports it.
  }

  /** Plaintext to a Unix socket, as a service speaks to its sidecar. */
  static overSocket(path: string, authority: string): GrpcClient {
    return new GrpcClient(connect(`http://${authority}`, { createConnection: () => createConnection(path) }));
  }

  /** Plaintext to a port, as strangers speak to the edge. */
  static overTcp(port: number): GrpcClient {
    return new GrpcClient(connect(`http://127.0.0.1:${port}`));
  }

  /** mTLS to a Unix socket, as a caller's sidecar speaks to a callee's. */
  static overTls(path: string, authority: string, identity: ClientIdentity): GrpcClient {
    return new GrpcClient(connect(`https://${authority}`, { createConnection: () => mutualTls(path, identity) }));
  }

  /** Makes one call. Rejects when the connection fails or the stream is reset. */
  call({ rpc, script = '', padding = 0, headers = {} }: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({
        ':method': 'POST',
        ':path': `/${rpc}`,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      const metadata: Record<string, string> = {};
      const chunks: Buffer[] = [];
      const merge = (received: object) => {
        for (const [name, value] of Object.entries(received)) metadata[name] = String(value);
      };
      stream.on('response', merge);
      stream.on('trailers', merge);
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('close', () => {
        const { 'grpc-status': status, 'grpc-message': message = '' } = metadata;
        if (status === undefined) {
          reject(new Error(`stream closed with code ${stream.rstCode}, ${JSON.stringify(metadata)}`));
          return;
        }
        const texts = messagesOf(Buffer.concat(chunks)).map(readText);
        resolve({ status: Number(status), message: decodeURIComponent(message), metadata, texts });
      });
      stream.end(frame(textMessage(script, padding)));
    });
  }

  close(): void {
    this.#session.destroy();
  }
}

/** The headers that the scripted service saw. */
export const headersSeen = (answer: Pick<Answer, 'texts'>): Record<string, string> =>
  JSON.parse(answer.texts[0] ?? '{}');
