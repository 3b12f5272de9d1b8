/**
 * A connection to PostgreSQL that counts what passes, and breaks when a test says so: just before a statement reaches the server, or when the server has done what it
 * says and the answer is on its way. The second is what nobody can tell from the first, and what idempotency is for. Or it falls silent, as a network does that drops
 * what is sent: no connection breaks, and nothing is answered.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Where to cut: before the server hears of the statement, or after it has answered. */
export type CutMoment = 'before' | 'after';

export interface PostgresProxy {
  /** The address of the same database by way of the proxy. */
  readonly url: string;
  /**
   * Cuts one connection at the next statement whose text matches. Resolves once it is cut.
   *
   * @param matches what the statement's text is, whether it is prepared or not.
   */
  cutAt(matches: RegExp, moment: CutMoment): Promise<void>;
  /** How many statements have passed whose text matches. */
  passed(matches: RegExp): number;
  /** Swallows from now on whatever is sent, also on new connections, until it is called with false. What was swallowed is lost. */
  swallow(isSwallowing: boolean): void;
  stop(): Promise<void>;
}

interface Cut {
  readonly matches: RegExp;
  readonly moment: CutMoment;
  readonly done: () => void;
}

/** Messages of the protocol that a proxy has to know. */
const QUERY = 'Q'.charCodeAt(0);
const PARSE = 'P'.charCodeAt(0);
const BIND = 'B'.charCodeAt(0);
const READY_FOR_QUERY = 'Z'.charCodeAt(0);

/** Stands before the server of `databaseUrl`, which is reached by TCP or by a Unix socket. */
export async function postgresProxy(databaseUrl: string): Promise<PostgresProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const counts = new Map<string, number>();
  const folder = target.searchParams.get('host');
  let waiting: Cut | undefined;
  let isSwallowing = false;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream =
      folder === null
        ? connect(Number(target.port), target.hostname)
        : connect(`${folder}/.s.PGSQL.${target.port || 5432}`);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay();
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    // Not even a farewell is answered by a server that nothing reaches.
    client.on('end', () => {
      if (!isSwallowing) client.end();
    });
    const cutFor = (text: string) => {
      counts.set(text, (counts.get(text) ?? 0) + 1);
      const cut = waiting;
      if (cut === undefined || !cut.matches.test(text)) return undefined;
      waiting = undefined;
      return cut;
    };
    relay(client, upstream, { cutFor, isSwallowing: () => isSwallowing });
  });
  const port = await listen(server);
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${port}`;
  url.searchParams.delete('host');
  return {
    url: url.href,
    cutAt: (matches, moment) =>
      new Promise((resolve) => {
        waiting = { matches, moment, done: resolve };
      }),
    passed: (matches) => [...counts].reduce((sum, [text, count]) => sum + (matches.test(text) ? count : 0), 0),
    swallow(now) {
      isSwallowing = now;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Fate {
  readonly cutFor: (text: string) => Cut | undefined;
  readonly isSwallowing: () => boolean;
}

/** Passes messages on until one is to be cut at, or was swallowed: what comes after it would make no sense. */
function relay(client: Socket, upstream: Socket, { cutFor, isSwallowing }: Fate): void {
  const prepared = new Map<string, string>();
  let cutting: Cut | undefined;
  let isLost = false;
  const fromClient = messages(true, (message) => {
    isLost ||= isSwallowing();
    if (isLost) return;
    const cut = cutting === undefined ? cutFor(textOf(message, prepared)) : undefined;
    if (cut?.moment === 'before') {
      client.destroy();
      cut.done();
      return;
    }
    cutting ??= cut;
    upstream.write(message);
  });
  const fromServer = messages(false, (message) => {
    isLost ||= isSwallowing();
    if (isLost) return;
    if (cutting === undefined) {
      client.write(message);
    } else if (message[0] === READY_FOR_QUERY) {
      client.destroy();
      cutting.done();
    }
  });
  client.on('data', fromClient);
  upstream.on('data', fromServer);
}

/** Cuts a stream into the protocol's messages. The first of a client has no type. */
function messages(startsUntyped: boolean, take: (message: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  let typeBytes = startsUntyped ? 0 : 1;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= typeBytes + 4) {
      const length = typeBytes + rest.readUInt32BE(typeBytes);
      if (rest.length < length) return;
      const message = rest.subarray(0, length);
      rest = rest.subarray(length);
      typeBytes = 1;
      take(message);
    }
  };
}

/** The text of the statement that a client's message runs; empty when it runs none. */
function textOf(message: Buffer, prepared: Map<string, string>): string {
  const [first = '', second = ''] = message.toString('utf8', 5).split('\0', 2);
  switch (message[0]) {
    case QUERY:
      return first;
    case PARSE:
      prepared.set(first, second);
      return '';
    case BIND:
      return prepared.get(second) ?? '';
    default:
      return '';
  }
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return address.port;
}
