/**
 * The whole way from the shelf to the order and its trace with nothing but a keyboard, and orders that are followed live.
 */

import { randomUUID } from 'node:crypto';
import { ShipmentService } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import type { Locator, Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import { type TestMesh, testMesh } from '../../../dev/src/testing.ts';
import { buy, callerOf } from '../customer.ts';
import { rpcOf, SOON, tabTo, visitors } from './browser.ts';

const visit = visitors();
let mesh: TestMesh;
beforeAll(async () => {
  mesh = await testMesh();
});

/** What the edge said of money, as the page shows it. */
type Money = { readonly currencyCode: string; readonly minorUnits: string };
type Offer = {
  readonly rateId: string;
  readonly quote: { readonly total: Money; readonly lines: readonly object[] };
  readonly rates: readonly { readonly rateId: string; readonly name: string; readonly charge: Money }[];
};

test('an order is placed with the keyboard alone, at the total that was offered, and followed to its SQL', async ({
  skip,
}) => {
  const subject = `keyboard-${randomUUID().slice(0, 8)}`;
  const { page, trouble } = await visit(skip, mesh, { token: await mesh.token({ subject }) });
  const offers = answersOf<Offer>(page, 'CheckoutService/PrepareCheckout');
  const orders = answersOf<{ shipment: { total: Money } }>(page, 'ShipmentService/PlaceShipment');
  const { keyboard } = page;

  await tabTo(page.getByRole('searchbox', { name: 'Search items' }));
  await keyboard.type('owl afraid moon');
  const name = 'The Owl Who Was Afraid of the Moon';
  const add = page.getByRole('button', { name: `Add to basket: ${name}` });
  await add.waitFor();
  await tabTo(add);
  await keyboard.press('Enter');
  // The button became a number with two buttons; the keyboard must not have been thrown back to the top.
  await tabTo(page.getByRole('button', { name: `One more of ${name}` }));
  await keyboard.press('Space');
  await tabTo(page.getByRole('link', { name: 'Basket, 2 units' }));
  await keyboard.press('Enter');

  await page.getByRole('heading', { level: 1, name: 'Basket' }).and(page.locator(':focus')).waitFor();
  await fill(page.getByRole('combobox', { name: 'Country' }), 'Germany');
  await fill(page.getByRole('textbox', { name: 'Name' }), 'Ada Beispiel');
  await fill(page.getByRole('textbox', { name: 'Street and number' }), 'Torstraße 1');
  await fill(page.getByRole('textbox', { name: 'Postal code' }), '10119');
  await fill(page.getByRole('textbox', { name: 'City' }), 'Berlin');

  const rates = page.getByRole('group', { name: 'How it is sent' }).getByRole('radio');
  await tabTo(rates.and(page.locator(':checked')));
  const place = page.getByRole('button', { name: /^Place order · / });
  const settled = () => place.isEnabled();
  await expect.poll(settled, SOON).toBe(true);
  const cheapest = offers.at(-1);
  await keyboard.press('ArrowDown');
  await expect.poll(() => offers.at(-1)?.rateId, SOON).not.toBe(cheapest?.rateId);
  await expect.poll(settled, SOON).toBe(true);
  const offer = offers.at(-1);
  const rate = offer?.rates.find(({ rateId }) => rateId === offer.rateId);
  if (offer === undefined || rate === undefined) throw new Error('there is no offer with a rate');
  const total = euros(offer.quote.total);
  expect(total).not.toBe(euros(cheapest?.quote.total));
  await page.getByTestId('total').getByText(total, { exact: true }).waitFor();
  await page.getByRole('row', { name: `${rate.name} ${euros(rate.charge)}` }).waitFor();

  await tabTo(place);
  expect(await place.textContent()).toBe(`Place order · ${total}`);
  await keyboard.press('Enter');
  await page
    .getByRole('heading', { level: 1, name: /^Order / })
    .and(page.locator(':focus'))
    .waitFor();
  expect(orders).toHaveLength(1);
  expect(orders[0]?.shipment.total).toEqual(offer.quote.total);
  await page.getByText(total, { exact: true }).waitFor();
  await page.getByText(`${rate.name}, `).waitFor();
  await page.getByRole('list', { name: 'Progress' }).locator('[aria-current=step]').getByText('Confirmed').waitFor();
  await page.getByRole('link', { name: 'Basket, 0 units' }).waitFor();

  const trace = page.getByRole('link', { name: 'See its trace' });
  await tabTo(trace);
  await keyboard.press('Enter');
  const waterfall = page.getByRole('treegrid', { name: 'Spans of the trace' });
  await waterfall.waitFor();
  await expect
    .poll(() => makersOf(page, waterfall), { ...SOON, interval: 500 })
    .toEqual([
      'edge',
      'inventory',
      'inventory SQL',
      'inventory-envoy',
      'pricing',
      'pricing SQL',
      'pricing-envoy',
      'shipping',
      'shipping SQL',
      'shipping-envoy',
    ]);
  await tabTo(waterfall.getByRole('row').nth(1));
  await keyboard.press('ArrowDown');
  await keyboard.press('Enter');
  await page.getByRole('region', { name: 'Span details' }).getByText('shipping-envoy').waitFor();
  await keyboard.press('Escape');
  await page.getByRole('region', { name: 'Span details' }).waitFor({ state: 'detached' });
  const rows = await waterfall.getByRole('row').count();
  await keyboard.press('ArrowLeft');
  await expect.poll(() => waterfall.getByRole('row').count(), SOON).toBe(3);
  await keyboard.press('ArrowRight');
  await expect.poll(() => waterfall.getByRole('row').count(), SOON).toBe(rows);
  expect(trouble).toEqual([]);
});

test('an order’s page and the list follow what happens to it elsewhere', async ({ skip }) => {
  const customer = await callerOf(mesh);
  const token = await mesh.token({ subject: customer.subject, scopes: ['orders:write'] });
  const { page, context, trouble } = await visit(skip, mesh, { token, path: '/orders' });
  await page.getByText('No orders yet.').waitFor();

  const { shipmentId } = await buy(customer);
  const row = page.locator(`[data-order="${shipmentId}"]`);
  await row.getByText('Confirmed').waitFor();
  await row.getByRole('link').click();
  await page.getByRole('list', { name: 'Progress' }).waitFor();
  const list = await context.newPage();
  await list.goto(`${mesh.webUrl}/orders#token=${token}`);
  await list.locator(`[data-order="${shipmentId}"]`).getByText('Confirmed').waitFor();

  await customer.of(ShipmentService).cancelShipment({ shipmentId, requestId: randomUUID() });
  await page.getByText('This order was cancelled').waitFor();
  await page.getByRole('status', { name: 'Announcements' }).getByText('The order is now: Cancelled.').waitFor();
  expect(await page.getByRole('button', { name: 'Cancel order' }).count()).toBe(0);
  await list.locator(`[data-order="${shipmentId}"]`).getByText('Cancelled').waitFor();
  expect(trouble).toEqual([]);
});

test('a customer cancels an order on its page, after being asked once more', async ({ skip }) => {
  const customer = await callerOf(mesh);
  const { shipmentId } = await buy(customer);
  const token = await mesh.token({ subject: customer.subject, scopes: ['orders:write'] });
  const { page } = await visit(skip, mesh, { token, path: `/orders/${shipmentId}` });
  await page.getByRole('button', { name: 'Cancel order' }).click();
  await page.getByRole('button', { name: 'Yes, cancel it' }).click();
  await page.getByText('This order was cancelled').waitFor();
});

/** The answers to an RPC as they come in, newest last. */
function answersOf<T>(page: Page, rpc: string): readonly T[] {
  const answers: T[] = [];
  page.on('response', async (response) => {
    if (rpcOf(response.url()) === rpc && response.request().method() === 'POST' && response.ok()) {
      answers.push((await response.json()) as T);
    }
  });
  return answers;
}

/** Types into a field that Tab led to. */
async function fill(field: Locator, text: string): Promise<void> {
  await tabTo(field);
  await field.page().keyboard.type(text);
}

/** Who made the spans. What has not arrived yet is fetched. */
async function makersOf(page: Page, waterfall: Locator): Promise<string[]> {
  const rows = await waterfall.getByRole('row').allInnerTexts();
  const makers = await waterfall
    .locator('tr[data-span]')
    .evaluateAll((all: { textContent: string }[]) => all.map((row) => row.textContent));
  const again = page.getByRole('button', { name: 'Fetch again' });
  if (rows.length < 20 && (await again.isEnabled())) await again.click();
  const known = makers.map((text) => /^[▾▸]?([a-z]+(?:-envoy)?) (SQL)?/.exec(text)?.slice(1).filter(Boolean).join(' '));
  return [...new Set(known.filter((maker) => maker !== undefined))].sort();
}

function euros(money: Money | undefined): string {
  const cents = (money?.minorUnits ?? '').padStart(3, '0');
  return `€${cents.slice(0, -2)}.${cents.slice(-2)}`;
}
