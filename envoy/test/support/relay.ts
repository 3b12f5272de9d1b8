/** A second way to a socket, which can be cut: to a caller's Envoy it is a replica that dies. */
import { createConnection, createServer, type Server, type Socket } from 'node:net';

export class Relay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async listen(path: string, target: string): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(server);
    server.on('connection', (from) => {
      const to = createConnection(target);
      for (const socket of [from, to]) {
        relay.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => relay.#sockets.delete(socket));
      }
      from.pipe(to).pipe(from);
      from.on('close', () => to.destroy());
      to.on('close', () => from.destroy());
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return relay;
  }

  /** All connections end in the middle of what they carry, and no new one is taken. */
  async cut(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
