/**
 * Streams that break: the page says so, comes back by itself from where it was, and shows what happened meanwhile.
 */

import { randomUUID } from 'node:crypto';
import { ShipmentService } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import type { Page } from 'playwright-core';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { type TestMesh, testMesh } from '../../../dev/src/testing.ts';
import { serveWeb } from '../../../web/server.ts';
import { buy, callerOf } from '../customer.ts';
import { SOON, visitors } from './browser.ts';
import { type CuttableWire, cuttableWire } from './cuttable.ts';
import { shelve } from './shelf.ts';

const visit = visitors();
let mesh: TestMesh;
beforeAll(async () => {
  mesh = await testMesh();
});

const WATCH_AVAILABILITY = '/weft.inventory.v1.AvailabilityService/WatchAvailability';
const WATCH_SHIPMENTS = '/weft.shipping.v1.ShipmentService/WatchShipments';

/** A page of the same make that reaches the edge over a wire. */
async function pageOver(wire: CuttableWire): Promise<string> {
  const web = await serveWeb({ host: '127.0.0.1', port: 0, edgeUrl: wire.url });
  onTestFinished(() => web.stop());
  return web.url;
}

/** What the header says of the page's streams. */
const liveness = (page: Page) => page.getByRole('banner').getByRole('status');

test('availability resumes by its token and shows what was sold meanwhile', async ({ skip }) => {
  const item = await shelve(await callerOf(mesh), 20n);
  const wire = await cuttableWire(mesh.edgeUrl);
  const { page } = await visit(skip, mesh, { webUrl: await pageOver(wire), path: `/item/${item.sku}` });
  await page.getByText('20 in stock').waitFor();
  await liveness(page).getByText('live', { exact: true }).waitFor();
  await expect.poll(() => wire.streams(WATCH_AVAILABILITY).at(-1)?.received, SOON).not.toBe('');

  wire.cut();
  await liveness(page).getByText('reconnecting').waitFor();
  const before = wire.streams(WATCH_AVAILABILITY);
  await item.adjust(-15n);
  expect(await page.getByText('20 in stock').count()).toBe(1);
  wire.mend();

  await page.getByText('Only 5 left').waitFor();
  await liveness(page).getByText('live', { exact: true }).waitFor();
  const after = wire.streams(WATCH_AVAILABILITY);
  expect(after.length).toBe(before.length + 1);
  expect(after.at(-1)?.sent).toBe(before.at(-1)?.received);
});

test('an order resumes by its token and shows that it was cancelled meanwhile', async ({ skip }) => {
  const customer = await callerOf(mesh);
  const { shipmentId } = await buy(customer);
  const wire = await cuttableWire(mesh.edgeUrl);
  const { page } = await visit(skip, mesh, {
    webUrl: await pageOver(wire),
    path: `/orders/${shipmentId}`,
    token: await mesh.token({ subject: customer.subject, scopes: ['orders:write'] }),
  });
  await page.getByRole('list', { name: 'Progress' }).getByText('Confirmed').waitFor();
  await liveness(page).getByText('live', { exact: true }).waitFor();
  await expect.poll(() => wire.streams(WATCH_SHIPMENTS).at(-1)?.received, SOON).not.toBe('');

  wire.cut();
  await liveness(page).getByText('reconnecting').waitFor();
  const before = wire.streams(WATCH_SHIPMENTS);
  await customer.of(ShipmentService).cancelShipment({ shipmentId, requestId: randomUUID() });
  wire.mend();

  await page.getByText('This order was cancelled').waitFor();
  await expect.poll(() => wire.streams(WATCH_SHIPMENTS).at(-1)?.sent, SOON).toBe(before.at(-1)?.received);
});

test('a machine that goes offline pauses its streams and takes them up again', async ({ skip }) => {
  const item = await shelve(await callerOf(mesh), 20n);
  const { page, context } = await visit(skip, mesh, { path: `/item/${item.sku}` });
  await page.getByText('20 in stock').waitFor();
  await context.setOffline(true);
  await liveness(page).getByText('paused').waitFor();
  await item.adjust(-15n);
  await context.setOffline(false);
  await page.getByText('Only 5 left').waitFor();
  await liveness(page).getByText('live', { exact: true }).waitFor();
});
