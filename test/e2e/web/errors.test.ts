/**
 * What goes wrong between the basket and the order: each time the page says what happened and what to do about it, and what was
 * typed and chosen is still there.
 */

import { randomUUID } from 'node:crypto';
import { ShipmentService } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import type { Page, Route } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { type TestMesh, testMesh } from '../../../dev/src/testing.ts';
import { callerOf } from '../customer.ts';
import { BERLIN_FORM, rpcOf, visitors } from './browser.ts';
import { shelve } from './shelf.ts';

const visit = visitors();
let mesh: TestMesh;
beforeAll(async () => {
  mesh = await testMesh();
});

const KNIFE = { 'KIT-CHEF-KNIFE-20': 1 };
const placeOrder = (page: Page) => page.getByRole('button', { name: /^Place order · / });

describe('an address', () => {
  test('with mistakes is marked where they are, and the first one has the focus', async ({ skip }) => {
    const { page } = await visit(skip, mesh, { path: '/basket', basket: KNIFE });
    await page.getByRole('button', { name: 'Show shipping and total' }).click();
    const country = page.getByRole('combobox', { name: 'Country' });
    await country.and(page.locator(':focus')).waitFor();
    expect(await describedBy(page, 'Country')).toBe('Choose the country that it goes to.');
    expect(await describedBy(page, 'City')).toBe('Fill in the city.');

    await country.selectOption({ label: 'United States' });
    await page.getByLabel('Name', { exact: true }).fill('   ');
    await page.getByLabel('Postal code').fill('1234');
    expect(await describedBy(page, 'Name')).toBe('Fill in who receives it.');
    expect(await describedBy(page, 'Postal code')).toBe('A postal code there looks like 94103.');
    expect(await describedBy(page, 'State')).toBe('Choose the state: the tax depends on it.');
    expect(await page.getByRole('button', { name: 'Place order' }).count()).toBe(0);

    await page.reload();
    expect(await page.getByLabel('Postal code').inputValue()).toBe('1234');
    await page.getByRole('link', { name: 'Basket, 1 unit' }).waitFor();
  });
});

test('goods without a price in the currency are named, and another currency works', async ({ skip }) => {
  const item = await shelve(await callerOf(mesh), 3n);
  const { page } = await visit(skip, mesh, { path: '/basket', basket: { [item.sku]: 1 }, address: BERLIN_FORM });
  await page.getByTestId('total').waitFor();
  await page.getByLabel('Currency').selectOption('USD');
  const alert = page.getByRole('alert');
  await alert.getByText(`${item.sku} has no price in this currency.`).waitFor();
  await alert.getByText('Choose another currency, or take it out of the basket.').waitFor();
  await page.getByLabel('Currency').selectOption('EUR');
  await page.getByTestId('total').waitFor();
  expect(await alert.count()).toBe(0);
});

test('stock that others took meanwhile is named, and less of it can be ordered', async ({ skip }) => {
  const merchant = await callerOf(mesh);
  const item = await shelve(merchant, 3n);
  const { page } = await visit(skip, mesh, {
    path: '/basket',
    token: await mesh.token({ subject: merchant.subject, scopes: ['orders:write'] }),
    basket: { [item.sku]: 3 },
    address: BERLIN_FORM,
  });
  await page.getByText('Only 3 left').waitFor();
  await placeOrder(page).waitFor();
  await item.adjust(-2n);
  await page.getByText('Only 1 left').waitFor();
  await placeOrder(page).click();
  const alert = page.getByRole('alert').filter({ hasText: `Only 1 of ${item.sku} is left for your country.` });
  await alert.waitFor();
  await alert.getByText('Order fewer or take it out of the basket. Nothing has been placed.').waitFor();
  expect(await page.getByRole('alert').count()).toBe(1);
  await page.getByRole('link', { name: 'Basket, 3 units' }).waitFor();
  expect(await page.getByLabel('City').inputValue()).toBe('Berlin');

  await page.getByLabel(`Units of ${item.name}`).fill('1');
  await placeOrder(page).click();
  await page.getByRole('list', { name: 'Progress' }).getByText('Confirmed').waitFor();
  expect(await page.getByRole('alert').count()).toBe(0);
});

describe('a token', () => {
  test('that is missing is asked for on the way, and one comes back to a whole basket', async ({ skip }) => {
    const { page, trouble } = await visit(skip, mesh, { path: '/basket', basket: KNIFE, address: BERLIN_FORM });
    await page.getByText('Ordering needs someone who is signed in.').waitFor();
    await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click();
    await page.getByLabel('Bearer token').fill('not a token');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').getByText('This is not a whole token').waitFor();
    await page.getByLabel('Bearer token').fill(`Bearer ${await mesh.token({ subject: `late-${randomUUID()}` })}`);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { level: 1, name: 'Basket' }).waitFor();
    expect(new URL(page.url()).pathname).toBe('/basket');
    await placeOrder(page).click();
    await page.getByRole('list', { name: 'Progress' }).getByText('Confirmed').waitFor();
    expect(trouble).toEqual([]);
  });

  test('that has expired closes the orders, and the shop stays open', async ({ skip }) => {
    const { page } = await visit(skip, mesh, {
      token: await mesh.token({ ttlSeconds: -60 }),
      path: '/item/KIT-CHEF-KNIFE-20',
      basket: KNIFE,
      address: BERLIN_FORM,
    });
    await page.getByText(/in stock$/).waitFor();
    await page.getByText('€89.90').waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
    await page.getByRole('link', { name: 'Basket, 1 unit' }).click();
    await page.getByTestId('total').waitFor();
    await page.getByText('Your token has expired.').waitFor();
    await page.getByRole('link', { name: 'Orders', exact: true }).click();
    await page.getByRole('alert').getByText('Your token has expired.').waitFor();
    await page.getByRole('alert').getByRole('link', { name: 'Sign in' }).click();
    await page.getByRole('alert').getByText('Your basket stays as it is.').waitFor();
    await page
      .getByLabel('Another token')
      .fill(await mesh.token({ subject: `renewed-${randomUUID()}`, scopes: ['orders:write'] }));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('No orders yet.').waitFor();
    await page.getByRole('link', { name: 'Basket, 1 unit' }).waitFor();
  });

  test('without the scope is told which one it lacks', async ({ skip }) => {
    const token = await mesh.token({ scopes: ['mesh:read'] });
    const { page } = await visit(skip, mesh, { token, path: '/basket', basket: KNIFE, address: BERLIN_FORM });
    await page.getByText('Your token lacks the scope orders:write.').waitFor();
    await page.getByRole('link', { name: 'Orders', exact: true }).click();
    await page.getByRole('alert').getByText('Your token does not allow this.').waitFor();
  });
});

describe('an edge that is out of reach', () => {
  test('is told with what was typed still there, and trying again goes on', async ({ skip }) => {
    const { page, context } = await visit(skip, mesh, { path: '/basket', basket: KNIFE, address: BERLIN_FORM });
    await page.getByTestId('total').waitFor();
    const edge = `${mesh.edgeUrl}/**`;
    await context.route(edge, (route) => route.abort('connectionrefused'));
    await page.getByLabel('City').fill('Potsdam');
    const alert = page.getByRole('region', { name: 'What it costs' }).getByRole('alert');
    await alert.getByText('The shop cannot be reached.').waitFor();
    await alert.getByText('Check your connection, then try again. Nothing is lost.').waitFor();
    await context.unroute(edge);
    await alert.getByRole('button', { name: 'Try again' }).click();
    await page.getByTestId('total').waitFor();
    expect(await page.getByLabel('City').inputValue()).toBe('Potsdam');
    expect(await page.getByRole('alert').count()).toBe(0);
  });

  test('when the answer to an order is lost, the order is placed once', async ({ skip }) => {
    const customer = await callerOf(mesh, { scopes: ['orders:write'] });
    const { page, context } = await visit(skip, mesh, {
      path: '/basket',
      token: await mesh.token({ subject: customer.subject, scopes: ['orders:write'] }),
      basket: KNIFE,
      address: BERLIN_FORM,
    });
    const sent: string[] = [];
    await context.route(
      (url) => rpcOf(url.href) === 'ShipmentService/PlaceShipment',
      async (route: Route) => {
        sent.push((route.request().postDataJSON() as { requestId: string }).requestId);
        // The first time the mesh does it and nobody hears of it.
        if (sent.length > 1) return await route.continue();
        await route.fetch();
        await route.abort('connectionreset');
      },
    );
    await placeOrder(page).click();
    await page.getByRole('list', { name: 'Progress' }).getByText('Confirmed').waitFor();
    expect(sent).toHaveLength(2);
    expect(new Set(sent).size).toBe(1);
    expect((await customer.of(ShipmentService).listShipments({})).shipments).toHaveLength(1);
    await page.getByRole('link', { name: 'Basket, 0 units' }).waitFor();
  });

  test('when nobody knows what became of an order, it outlives a reload and is found out', async ({ skip }) => {
    const customer = await callerOf(mesh, { scopes: ['orders:write'] });
    const { page, context } = await visit(skip, mesh, {
      path: '/basket',
      token: await mesh.token({ subject: customer.subject, scopes: ['orders:write'] }),
      basket: KNIFE,
      address: BERLIN_FORM,
    });
    const isPlacing = (url: URL) => rpcOf(url.href) === 'ShipmentService/PlaceShipment';
    await context.route(isPlacing, (route) => route.abort('connectionrefused'));
    await placeOrder(page).click();
    await page.getByText('No answer yet. Trying again with the same order').waitFor();
    await page.reload();
    await page.getByText('is on its way to the shop.').waitFor();
    expect(await placeOrder(page).isDisabled()).toBe(true);
    await context.unroute(isPlacing);
    await page.getByRole('button', { name: 'Find out' }).click();
    await page.getByRole('list', { name: 'Progress' }).getByText('Confirmed').waitFor();
    expect((await customer.of(ShipmentService).listShipments({})).shipments).toHaveLength(1);
  });
});

test('a page whose own server is gone says so', async ({ skip }) => {
  const { page, context } = await visit(skip, mesh);
  await context.route('**/config.json', (route) => route.fulfill({ status: 503 }));
  await page.reload();
  await page.getByRole('alert').getByText('The page could not start.').waitFor();
});

/** The message that belongs to a field. */
async function describedBy(page: Page, label: string): Promise<string | null> {
  const field = page.getByLabel(label, { exact: true });
  expect(await field.getAttribute('aria-invalid')).toBe('true');
  return await page.locator(`[id="${await field.getAttribute('aria-describedby')}"]`).textContent();
}
