/**
 * The callee: inventory's service on the runtime, whose answers cost nothing to make. It listens on the socket that the sidecars
 * dial, and on TCP for calls without any. It prints its TCP address when it is ready.
 */
import { createServer } from 'node:http';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { implement } from '@weft/runtime/server/implement';
import { serve } from '@weft/runtime/server/serve';

const unused = () => {
  throw new Error('not called');
};
const services = [
  implement(ItemService, {
    batchGetItems: () => ({ items: [] }),
    getItem: unused,
    listItems: unused,
    createItem: unused,
    updateItem: unused,
    deleteItem: unused,
    undeleteItem: unused,
    watchItems: unused,
  }),
];
const common = { workload: 'inventory', policy: policies, services };
await serve({ ...common, listen: 'unix:run/inventory.app.sock' });
const direct = await serve({ ...common, listen: '127.0.0.1:0' });

// Takes spans and forgets them.
const collector = createServer((request, response) => {
  request.resume();
  request.on('end', () => response.end());
});
await new Promise<void>((resolve) => collector.listen('run/otlp.sock', resolve));
process.stdout.write(`${direct.address}\n`);
