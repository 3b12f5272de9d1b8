/**
 * The pricing workload: a process with one database, behind its sidecar.
 */

import { policies } from '@weft/gen/weft/policy.ts';
import { readEnvironment, required } from '@weft/runtime/environment';
import { configureLog } from '@weft/runtime/log';
import { run } from '@weft/runtime/server/run';
import { serve } from '@weft/runtime/server/serve';
import { startTelemetry } from '@weft/runtime/telemetry/start';
import { openPricing } from './pricing.ts';

await run(async () => {
  const { workload, listen, databaseUrl, egress, logLevel } = readEnvironment();
  configureLog({ workload, level: logLevel });
  const telemetry = await startTelemetry({ workload });
  const pricing = openPricing({
    databaseUrl: required(databaseUrl, 'DATABASE_URL'),
    egress: required(egress, 'WEFT_EGRESS'),
  });
  const server = await serve({ workload, listen, policy: policies, services: pricing.services });
  return {
    server,
    async close() {
      await pricing.close();
      await telemetry.stop();
    },
  };
});
