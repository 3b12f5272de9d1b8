/**
 * The console: the topology with what flows between the workloads, and the latest traces, both live.
 */

import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { ShipmentService } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { beforeAll, expect, test } from 'vitest';
import { type TestMesh, testMesh } from '../../../dev/src/testing.ts';
import { buy, callerOf, failureOf, orderFor, prepare } from '../customer.ts';
import { SOON, visitors } from './browser.ts';

const visit = visitors();
let mesh: TestMesh;
beforeAll(async () => {
  mesh = await testMesh();
});

test('the topology shows rates, latencies and failures on the edges, as they happen', async ({ skip }) => {
  const token = await mesh.token({ scopes: ['mesh:read'] });
  const { page, trouble } = await visit(skip, mesh, { token, path: '/mesh' });
  const workloads = page.getByRole('list', { name: 'Workloads' }).getByRole('listitem');
  await expect
    .poll(() => workloads.allInnerTexts(), SOON)
    .toEqual([
      expect.stringMatching(/^console answers/),
      expect.stringMatching(/^edge answers/),
      expect.stringMatching(/^inventory answers/),
      expect.stringMatching(/^pricing answers/),
      expect.stringMatching(/^shipping answers/),
    ]);

  const customer = await callerOf(mesh);
  const cells = async (from: string, to: string, rpc: string) => {
    const row = page.getByRole('row').filter({ hasText: new RegExp(`^\\s*${from}\\s*${to}\\s*${rpc}`) });
    return (await row.count()) === 1 ? await row.getByRole('cell').allInnerTexts() : [];
  };
  const rate = expect.stringMatching(/^(?!0\/s)[\d.]+\/s$/);
  const latency = expect.stringMatching(/^(< 1|[\d.]+) m?s$/);
  await expect
    .poll(
      async () => {
        await buy(customer);
        await failureOf(customer.of(ItemService).getItem({ sku: 'NO-SUCH-THING' }));
        return {
          place: (await cells('edge', 'shipping', 'ShipmentService/PlaceShipment')).slice(2, 7),
          reserve: (await cells('shipping', 'inventory', 'ReservationService/CreateReservation')).slice(2, 7),
          accept: (await cells('shipping', 'pricing', 'QuoteService/AcceptQuote')).slice(2, 7),
          missing: (await cells('edge', 'inventory', 'ItemService/GetItem')).slice(2, 4),
        };
      },
      { ...SOON, interval: 500 },
    )
    .toEqual({
      place: [rate, '0', latency, latency, latency],
      reserve: [rate, '0', latency, latency, latency],
      accept: [rate, '0', latency, latency, latency],
      missing: [rate, expect.stringMatching(/^\d+ (NOT_FOUND|5) × \d+$/)],
    });
  const drawing = page.getByRole('img', { name: /edge calls shipping [\d.]+\/s/ });
  await drawing.waitFor();
  await drawing.getByText(/^p95 /).first().waitFor();
  await drawing
    .getByText(/% failed$/)
    .first()
    .waitFor();
  expect(trouble).toEqual([]);
});

test('the latest traces arrive by themselves, can be searched, and lead to the waterfall', async ({ skip }) => {
  const token = await mesh.token({ scopes: ['mesh:read'] });
  const { page, trouble } = await visit(skip, mesh, { token, path: '/traces' });
  await page.locator('[data-trace]').first().waitFor();
  await page.getByRole('searchbox', { name: 'RPC of the root span' }).fill('PlaceShipment');

  const customer = await callerOf(mesh);
  const placed: string[] = [];
  const onHeader = (headers: Headers) => placed.push(headers.get('x-weft-trace-id') ?? '');
  const shown = async () => {
    for (const id of placed) {
      if ((await page.locator(`[data-trace="${id}"]`).filter({ hasText: 'pricing' }).count()) > 0) return id;
    }
    return undefined;
  };
  await expect
    .poll(
      async () => {
        // The stream does not say when it begins; what was placed before it did would never come.
        await customer.of(ShipmentService).placeShipment(orderFor(await prepare(customer)), { onHeader });
        return await shown();
      },
      { ...SOON, interval: 500 },
    )
    .toBeDefined();
  const id = await shown();
  await page.locator(`[data-trace="${id}"]`).getByRole('link').click();
  await page.getByRole('treegrid', { name: 'Spans of the trace' }).waitFor();
  // The address that `npm start` prints.
  expect(new URL(page.url()).pathname).toBe(`/traces/${id}`);
  await page.reload();
  await page.getByRole('treegrid', { name: 'Spans of the trace' }).waitFor();
  expect(trouble).toEqual([]);
});
