/**
 * The server of the soak, a process of its own: serves the echo service and tells its parent what it holds.
 */

import { serveEcho } from '../echo-server.ts';

const server = await serveEcho();
process.on('message', (question) => {
  if (question === 'what do you hold?') {
    globalThis.gc?.();
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    process.send?.({
      heapBytes: heapUsed + external,
      handles: process.getActiveResourcesInfo().filter((kind) => kind !== 'Timeout').length,
    });
  }
});
process.on('disconnect', () => process.exit(0));
process.send?.({ address: server.address });
