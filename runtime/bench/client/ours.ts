/** Ours as a service uses it: `connect`, a policy table, nothing tuned. */

import { DEADLINE_MS, OrderService, policy, WORKLOAD } from '../contract.ts';
import { type ClientCommands, type ClientOptions, clientCommands } from './drive.ts';

export async function start({ address, runtime, telemetry }: ClientOptions): Promise<ClientCommands> {
  const { connect, startTelemetry } = await runtimeOf(runtime);
  if (telemetry === true) {
    await startTelemetry({ workload: WORKLOAD });
  }
  const client = connect(OrderService, { egress: address, policy });
  return clientCommands({
    placeOrder: (request) => client.placeOrder(request, { timeoutMs: DEADLINE_MS }),
    echoBlob: (request) => client.echoBlob(request, { timeoutMs: DEADLINE_MS }),
    async watchOrder(request, each) {
      for await (const update of client.watchOrder(request)) {
        each(update);
      }
    },
  });
}

/** This checkout's runtime, or another's, to compare the two. */
async function runtimeOf(folder: string | undefined) {
  if (folder === undefined) {
    const [{ connect }, { startTelemetry }] = await Promise.all([
      import('../../src/client/connect.ts'),
      import('../../src/telemetry/start.ts'),
    ]);
    return { connect, startTelemetry };
  }
  // The other checkout is another state of the same files.
  const [{ connect }, { startTelemetry }] = (await Promise.all([
    import(`${folder}/src/client/connect.ts`),
    import(`${folder}/src/telemetry/start.ts`),
  ])) as [typeof import('../../src/client/connect.ts'), typeof import('../../src/telemetry/start.ts')];
  return { connect, startTelemetry };
}
