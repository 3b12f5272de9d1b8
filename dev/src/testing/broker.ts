/**
 * What tests share, kept by vitest's main process and handed out to its workers over a Unix socket: one PostgreSQL with a
 * fresh, migrated database for each test that asks, and one whole mesh. Neither starts before the first test asks for it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure, messageOf } from '../failure.ts';
import { SharedMesh } from './shared-mesh.ts';
import { TestDatabases } from './test-databases.ts';

export class Broker {
  readonly #folder: string;
  readonly #server: Server;
  readonly #databases: TestDatabases;
  readonly #mesh: SharedMesh;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#databases = new TestDatabases(join(folder, 'pg'));
    this.#mesh = new SharedMesh(join(folder, 'mesh'));
    this.#server = createServer((request, response) => {
      this.#answer(request).then(
        (body) => response.end(JSON.stringify(body ?? {})),
        (error) => response.writeHead(500).end(error instanceof Failure ? error.explain() : messageOf(error)),
      );
    });
  }

  static async start(): Promise<Broker> {
    const broker = new Broker(await mkdtemp(join(tmpdir(), 'weft-')));
    await new Promise<void>((resolve, reject) => {
      broker.#server.once('error', reject);
      broker.#server.listen(broker.address, resolve);
    });
    return broker;
  }

  /** Path of the socket. */
  get address(): string {
    return join(this.#folder, 'broker.sock');
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    try {
      await Promise.all([this.#databases.stop(), this.#mesh.stop()]);
    } finally {
      await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 });
    }
  }

  async #answer(request: IncomingMessage): Promise<unknown> {
    const url = new URL(request.url ?? '/', 'http://broker');
    const argument = (name: string) => url.searchParams.get(name) ?? '';
    switch (url.pathname) {
      case '/database/create':
        return { url: await this.#databases.create(argument('service')) };
      case '/database/drop':
        return this.#databases.drop(argument('url'));
      case '/mesh':
        return this.#mesh.describe();
      case '/mesh/act':
        return this.#mesh.act(argument('verb'), argument('name'));
      default:
        throw new Error(`the broker knows no ${url.pathname}`);
    }
  }
}
