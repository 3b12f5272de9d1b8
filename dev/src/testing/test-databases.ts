/** Databases for service tests: each is a copy of its service's template, to which the service's migrations were applied once. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import { asAdmin, closeBuiltInDatabases, ensureDatabase, ensureRole } from '../databases.ts';
import { applyMigrations, migrationsFolderOf } from '../migrations.ts';
import { freePort } from '../ports.ts';
import { type PostgresCluster, postgresCluster } from '../postgres.ts';
import { Supervisor } from '../supervisor.ts';

/** The server listens on loopback and dies with the run; its password keeps out whoever else is on the machine. */
const rolePassword = 'test';

export class TestDatabases {
  readonly #folder: string;
  readonly #templates = new Map<string, Promise<void>>();
  #cluster: Promise<PostgresCluster> | undefined;
  #supervisor: Supervisor | undefined;
  #created = 0;
  /** Copies are made one after the other: PostgreSQL refuses to copy a template that another session is copying. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A new database with the service's tables, owned by the service's role; its address. */
  async create(service: string): Promise<string> {
    if (!/^[a-z][a-z0-9-]{0,30}$/.test(service)) throw new Error(`not the name of a service: ${service}`);
    const cluster = await this.#start();
    let template = this.#templates.get(service);
    if (template === undefined) {
      template = this.#makeTemplate(cluster, service);
      this.#templates.set(service, template);
    }
    await template;
    this.#created += 1;
    const database = `${service}_test_${this.#created}`;
    await this.#asAdminInTurn(cluster, (admin) => ensureDatabase(admin, database, service, templateName(service)));
    return cluster.url(database, service, rolePassword);
  }

  /** Drops a database that `create` has made, whoever is still connected. */
  async drop(url: string): Promise<void> {
    const database = decodeURIComponent(new URL(url).pathname.slice(1));
    const cluster = await this.#start();
    await this.#asAdminInTurn(cluster, async (admin) => {
      await admin.query(`DROP DATABASE IF EXISTS ${admin.escapeIdentifier(database)} WITH (FORCE)`);
    });
  }

  async stop(): Promise<void> {
    await this.#cluster?.catch(() => {});
    await this.#supervisor?.end();
  }

  #start(): Promise<PostgresCluster> {
    this.#cluster ??= this.#launch();
    return this.#cluster;
  }

  async #launch(): Promise<PostgresCluster> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    this.#supervisor = new Supervisor({
      stateFolder: this.#folder,
      report: (line) => process.stderr.write(`${line}\n`),
    });
    const cluster = await postgresCluster({
      stateFolder: this.#folder,
      port: await freePort(),
      logFile: join(this.#folder, 'postgres.log'),
    });
    await this.#supervisor.start(cluster.process);
    await asAdmin(cluster, 'postgres', closeBuiltInDatabases);
    return cluster;
  }

  async #makeTemplate(cluster: PostgresCluster, service: string): Promise<void> {
    if (migrationsFolderOf(service) === undefined) throw new Error(`services/${service} has no prisma/migrations`);
    await this.#asAdminInTurn(cluster, async (admin) => {
      await ensureRole(admin, service, rolePassword);
      await ensureDatabase(admin, templateName(service), service);
    });
    await applyMigrations(service, cluster.url(templateName(service), service, rolePassword));
  }

  #asAdminInTurn(cluster: PostgresCluster, work: (admin: Client) => Promise<void>): Promise<void> {
    const result = this.#turn.then(() => asAdmin(cluster, 'postgres', work));
    this.#turn = result.catch(() => {});
    return result;
  }
}

function templateName(service: string): string {
  return `${service}_template`;
}
