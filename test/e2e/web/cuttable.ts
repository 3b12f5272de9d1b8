/**
 * A wire between the browser and the edge that can be cut: it passes bytes on, remembers what went through, and on demand drops all
 * connections and takes no new ones.
 */

import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A call of a stream, as the wire saw it. */
export type SeenStream = {
  /** The token that the call began with; empty for none. */
  readonly sent: string;
  /** The token of the last message that came back; empty for none. */
  readonly received: string;
};

/** The wire. */
export type CuttableWire = {
  /** Where the browser finds the edge. */
  readonly url: string;
  cut(): void;
  mend(): void;
  /** The calls of a streaming RPC that were carried, in order; `rpc` is such as `/weft.x.v1.Service/Method`. */
  streams(rpc: string): readonly SeenStream[];
};

/** Lays a wire to the edge; it is taken up when the test is over. */
export async function cuttableWire(edgeUrl: string): Promise<CuttableWire> {
  const { hostname, port } = new URL(edgeUrl);
  const sockets = new Set<Socket>();
  const carried: { up: string; down: string }[] = [];
  let whole = true;
  const server = createServer((browser) => {
    if (!whole) {
      browser.destroy();
      return;
    }
    const record = { up: '', down: '' };
    carried.push(record);
    const edge = connect(Number(port), hostname);
    browser.on('data', (bytes) => {
      record.up += bytes.toString('latin1');
    });
    edge.on('data', (bytes) => {
      record.down += bytes.toString('latin1');
    });
    for (const socket of [browser, edge]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        browser.destroy();
        edge.destroy();
      });
    }
    browser.pipe(edge).pipe(browser);
  });
  const cut = () => {
    whole = false;
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(() => {
    cut();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the wire has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    cut,
    mend: () => {
      whole = true;
    },
    streams: (rpc) =>
      carried
        // A stream keeps its connection to itself until it ends, so that it is the last on it.
        .filter(({ up }) => up.lastIndexOf('POST ') === up.lastIndexOf(`POST ${rpc} `) && up.includes(`POST ${rpc} `))
        .map(({ up, down }) => ({ sent: lastToken(up.slice(up.lastIndexOf('POST '))), received: lastToken(down) })),
  };
}

function lastToken(text: string): string {
  return [...text.matchAll(/"resumeToken":"([^"]+)"/g)].at(-1)?.[1] ?? '';
}
