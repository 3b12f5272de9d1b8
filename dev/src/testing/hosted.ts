/** For tests of a service: its real RPCs on a free port of this process, and its database to look at. */
import { policies } from '@weft/gen/weft/policy.ts';
import { openPool } from '@weft/runtime/data/pool';
import type { Implementation } from '@weft/runtime/server/implement';
import { serve } from '@weft/runtime/server/serve';
import type { Pool } from 'pg';
import { type TestDatabase, testDatabase } from '../testing.ts';

/** A service that runs in this process. */
export interface Hosted {
  /** `127.0.0.1:<port>` */
  readonly address: string;
  /** Ends its calls, then itself. Once, however often it is asked for. */
  stop(): Promise<void>;
}

/** Serves what `opened` consists of, without a sidecar. */
export async function host(
  workload: string,
  opened: { readonly services: readonly Implementation[]; close(): Promise<void> },
): Promise<Hosted> {
  const server = await serve({
    workload,
    listen: '127.0.0.1:0',
    policy: policies,
    services: opened.services,
    drain: { noticeMs: 0 },
  });
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    await server.close();
    await opened.close();
  };
  return {
    address: server.address,
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** An empty database of a service, with a pool for looking at the tables. `drop` ends both. */
export async function openTestDatabase(service: string): Promise<TestDatabase & { readonly pool: Pool }> {
  const { url, drop } = await testDatabase(service);
  const pool = openPool({ databaseUrl: url, workload: 'test', maxConnections: 4 });
  return {
    url,
    pool,
    async drop() {
      await pool.end();
      await drop();
    },
  };
}
