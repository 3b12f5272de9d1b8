/**
 * A relay on a port that stays while servers behind it come and go, as a load balancer is: a new connection goes to the server of the
 * moment, one that is open stays with the server that it has.
 */

import { createServer, type Socket } from 'node:net';
import { dial, parseAddress } from '../../src/address.ts';

/** Starts a relay on a free port of the loopback. */
export async function startRelay() {
  let target: string | undefined;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = dial(parseAddress(target ?? ''));
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroySoon();
      });
      socket.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  return {
    address: `127.0.0.1:${port}`,
    /** Sends new connections to a server from now on. */
    pointAt(address: string) {
      target = address;
    },
    close() {
      for (const socket of sockets) {
        socket.destroy();
      }
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
