/**
 * `npm run bench`: how long orders take through the whole mesh, one after the other, and what the mesh adds to a call: the same RPC
 * through edge and sidecar, and straight to the service, in turns in one run. On a mesh of its own, which it ends.
 */
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { CheckoutService } from '@weft/gen/weft/shipping/v1/checkout_service_pb.js';
import { ShipmentService } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { connect } from '@weft/runtime/client/connect';
import { edgeClient } from '../../dev/src/edge-client.ts';
import { socketPath } from '../../dev/src/paths.ts';
import { startOwnMesh } from '../e2e/own-mesh.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '200' } } });
const rounds = Number(values.rounds);
/** Rounds before the clock counts: connections are made, code is compiled. */
const warmUpRounds = 20;
const sku = 'KIT-CHEF-KNIFE-20';
const order = {
  lines: [{ sku, quantity: 1n }],
  destination: { lines: ['Torstraße 1'], city: 'Berlin', postalCode: '10119', countryCode: 'DE' },
};

const { mesh, end } = await startOwnMesh({ sample: true });
const client = edgeClient(mesh.edgeUrl, await mesh.token({ subject: 'bench' }));
try {
  const direct = connect(ItemService, {
    egress: `unix:${socketPath(mesh.stateFolder, 'run/inventory.app.sock')}`,
    policy: policies,
  });
  const took = new Map<string, number[]>();
  const measure = async <T>(name: string, call: () => Promise<T>): Promise<T> => {
    const startedMs = performance.now();
    const answer = await call();
    took.set(name, [...(took.get(name) ?? []), performance.now() - startedMs]);
    return answer;
  };
  for (let round = 0; round < warmUpRounds + rounds; round += 1) {
    if (round === warmUpRounds) took.clear();
    await measure('GetItem, straight to the service', () => direct.getItem({ sku }));
    await measure('GetItem, through edge and sidecar', () => client.of(ItemService).getItem({ sku }));
    const offer = await measure('PrepareCheckout', () =>
      client.of(CheckoutService).prepareCheckout({ ...order, requestId: randomUUID(), currencyCode: 'EUR' }),
    );
    const { quote, rateId } = offer;
    if (quote?.total === undefined) throw new Error('PrepareCheckout answered without a quote');
    const { shipment } = await measure('PlaceShipment', () =>
      client.of(ShipmentService).placeShipment({
        ...order,
        requestId: randomUUID(),
        quoteId: quote.quoteId,
        rateId,
        expectedTotal: quote.total,
      }),
    );
    // The shelves stay full, however long this runs.
    const shipmentId = shipment?.shipmentId ?? '';
    await measure('CancelShipment', () =>
      client.of(ShipmentService).cancelShipment({ shipmentId, requestId: randomUUID() }),
    );
  }
  report(took);
} finally {
  client.close();
  await end();
}

function report(took: ReadonlyMap<string, readonly number[]>): void {
  const [base = []] = took.values();
  const unit = quantile(base, 0.5);
  process.stdout.write(`${rounds} rounds, one call at a time; ratio is of the medians\n\n`);
  process.stdout.write(
    `${''.padEnd(36)}${['p50', 'p95', 'p99'].map((head) => `${head} ms`.padStart(10)).join('')}     ratio\n`,
  );
  for (const [name, times] of took) {
    const cells = [0.5, 0.95, 0.99].map((q) => quantile(times, q).toFixed(2).padStart(10));
    process.stdout.write(
      `${name.padEnd(36)}${cells.join('')}${(quantile(times, 0.5) / unit).toFixed(1).padStart(10)}\n`,
    );
  }
}

function quantile(times: readonly number[], q: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}
