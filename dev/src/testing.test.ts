import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { testDatabase } from './testing.ts';

describe('testDatabase', () => {
  test('gives the tables of the service to a role that sees no other database', async () => {
    const [first, second] = await Promise.all([testDatabase('inventory'), testDatabase('inventory')]);
    expect(first.url).not.toBe(second.url);
    const client = new Client({ connectionString: first.url });
    await client.connect();
    const { rows } = await client.query("SELECT count(*)::int AS n FROM pg_tables WHERE schemaname = 'public'");
    expect(rows[0].n).toBeGreaterThan(3);
    await client.end();
    const stranger = new Client({ connectionString: first.url.replace(/[^/]*$/, 'postgres') });
    await expect(stranger.connect()).rejects.toThrow(/permission denied/);
    await Promise.all([first.drop(), second.drop()]);
    const gone = new Client({ connectionString: first.url });
    await expect(gone.connect()).rejects.toThrow(/does not exist/);
  });

  test('refuses a service that has no migrations', async () => {
    await expect(testDatabase('nobody')).rejects.toThrow('services/nobody has no prisma/migrations');
  });
});
