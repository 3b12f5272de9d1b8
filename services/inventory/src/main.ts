/**
 * The inventory workload: a process with one database, behind its sidecar.
 */

import { policies } from '@weft/gen/weft/policy.ts';
import { readEnvironment, required } from '@weft/runtime/environment';
import { configureLog } from '@weft/runtime/log';
import { run } from '@weft/runtime/server/run';
import { serve } from '@weft/runtime/server/serve';
import { startTelemetry } from '@weft/runtime/telemetry/start';
import { openInventory } from './inventory.ts';

await run(async () => {
  const { workload, listen, databaseUrl, logLevel } = readEnvironment();
  configureLog({ workload, level: logLevel });
  const telemetry = await startTelemetry({ workload });
  const inventory = openInventory({ databaseUrl: required(databaseUrl, 'DATABASE_URL') });
  const server = await serve({ workload, listen, policy: policies, services: inventory.services });
  return {
    server,
    async close() {
      await inventory.close();
      await telemetry.stop();
    },
  };
});
