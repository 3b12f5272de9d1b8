/**
 * The server of watchers.ts, in a process of its own: inventory as it is, on a database. Says where it listens, and, when it is asked, how
 * many statements it has run so far.
 */

import { policies } from '@weft/gen/weft/policy.ts';
import { serve } from '@weft/runtime/server/serve';
import { Client } from 'pg';
import { openInventory } from '../src/inventory.ts';

const [databaseUrl = ''] = process.argv.slice(2);
let statements = 0;
const { query } = Client.prototype;
// All of them, by whatever way: the pool's connections are clients as well.
Client.prototype.query = function counted(this: Client, ...args: unknown[]) {
  statements += 1;
  return Reflect.apply(query, this, args);
} as typeof query;

const { services } = openInventory({ databaseUrl });
const server = await serve({ workload: 'inventory', listen: '127.0.0.1:0', policy: policies, services });
process.once('disconnect', () => process.exit());
process.on('message', () => process.send?.(statements));
process.send?.(server.address);
