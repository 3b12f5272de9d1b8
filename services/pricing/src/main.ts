/**
 * The pricing workload: a process with one database, behind its sidecar.
 */

import { policies } from '@weft/gen/weft/policy.ts';
import { required } from '@weft/runtime/environment';
import { runService } from '@weft/runtime/server/run-service';
import { openPricing } from './pricing.ts';

await runService({
  policy: policies,
  open: ({ databaseUrl, egress }) =>
    openPricing({
      databaseUrl: required(databaseUrl, 'DATABASE_URL'),
      egress: required(egress, 'WEFT_EGRESS'),
    }),
});
