/**
 * The inventory workload: a process with one database, behind its sidecar.
 */

import { policies } from '@weft/gen/weft/policy.ts';
import { required } from '@weft/runtime/environment';
import { runService } from '@weft/runtime/server/run-service';
import { openInventory } from './inventory.ts';

await runService({
  policy: policies,
  open: ({ databaseUrl }) => openInventory({ databaseUrl: required(databaseUrl, 'DATABASE_URL') }),
});
