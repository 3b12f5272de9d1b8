/**
 * One database and one role for each service. A role owns its database and can connect to no other: what a service is not
 * told, it cannot read.
 */
import { join } from 'node:path';
import { Client } from 'pg';
import type { PostgresCluster } from './postgres.ts';
import { passwords } from './secrets.ts';

/** Makes what is missing and returns each service's own address, by name. The password of each is made once and kept. */
export async function serviceDatabases(
  cluster: PostgresCluster,
  stateFolder: string,
  services: readonly string[],
): Promise<Map<string, string>> {
  const secrets = passwords(join(stateFolder, 'secrets', 'postgres.json'), services);
  await asAdmin(cluster, 'postgres', async (admin) => {
    await closeBuiltInDatabases(admin);
    for (const service of services) {
      await ensureRole(admin, service, secrets.get(service) ?? '');
      await ensureDatabase(admin, service, service);
    }
  });
  return new Map(services.map((service) => [service, cluster.url(service, service, secrets.get(service) ?? '')]));
}

/** Lets nobody but the superuser into the databases that a cluster is born with. */
export async function closeBuiltInDatabases(admin: Client): Promise<void> {
  await admin.query('REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC');
}

/** Makes the role when it is missing, and sets its password. */
export async function ensureRole(admin: Client, role: string, password: string): Promise<void> {
  const found = await admin.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
  const verb = found.rowCount === 0 ? 'CREATE' : 'ALTER';
  await admin.query(`${verb} ROLE ${admin.escapeIdentifier(role)} LOGIN PASSWORD ${admin.escapeLiteral(password)}`);
}

/** Makes the database when it is missing, as a copy of `template` when given; nobody but its owner may connect. */
export async function ensureDatabase(admin: Client, database: string, owner: string, template?: string): Promise<void> {
  const name = admin.escapeIdentifier(database);
  const found = await admin.query('SELECT FROM pg_database WHERE datname = $1', [database]);
  if (found.rowCount === 0) {
    const source = template === undefined ? '' : ` TEMPLATE ${admin.escapeIdentifier(template)}`;
    await admin.query(`CREATE DATABASE ${name} OWNER ${admin.escapeIdentifier(owner)}${source}`);
  }
  await admin.query(`REVOKE CONNECT, TEMPORARY ON DATABASE ${name} FROM PUBLIC`);
}

/** Runs `work` with a connection of the superuser. */
export async function asAdmin<T>(
  cluster: PostgresCluster,
  database: string,
  work: (admin: Client) => Promise<T>,
): Promise<T> {
  const admin = new Client({ connectionString: cluster.adminUrl(database), connectionTimeoutMillis: 10_000 });
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}
