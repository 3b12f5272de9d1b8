/**
 * The shipping workload: a process with one database, behind its sidecar.
 */

import { policies } from '@weft/gen/weft/policy.ts';
import { readEnvironment, required } from '@weft/runtime/environment';
import { configureLog } from '@weft/runtime/log';
import { run } from '@weft/runtime/server/run';
import { serve } from '@weft/runtime/server/serve';
import { startTelemetry } from '@weft/runtime/telemetry/start';
import { openShipping } from './shipping.ts';

await run(async () => {
  const { workload, listen, egress, databaseUrl, logLevel } = readEnvironment();
  configureLog({ workload, level: logLevel });
  const telemetry = await startTelemetry({ workload });
  const shipping = await openShipping({
    databaseUrl: required(databaseUrl, 'DATABASE_URL'),
    egress: required(egress, 'WEFT_EGRESS'),
  });
  const server = await serve({ workload, listen, policy: policies, services: shipping.services });
  return {
    server,
    async close() {
      await shipping.close();
      await telemetry.stop();
    },
  };
});
