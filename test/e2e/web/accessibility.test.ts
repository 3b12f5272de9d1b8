/**
 * Every page as axe sees it, in light and in dark, and on a screen of 320 pixels, where nothing may hang over the side.
 */

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import { type TestMesh, testMesh } from '../../../dev/src/testing.ts';
import { buy, callerOf } from '../customer.ts';
import { BERLIN_FORM, visitors } from './browser.ts';

const visit = visitors();
let mesh: TestMesh;
let axe = '';
beforeAll(async () => {
  mesh = await testMesh();
  axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
});

/** How to come to a page from where one is, and when it is there. */
type Stop = {
  readonly name: string;
  readonly path: string;
  readonly reach: (page: Page) => Promise<unknown>;
};

const STRANGERS: readonly Stop[] = [
  { name: 'an empty basket', path: '/basket', reach: (page) => page.getByText('Nothing in it yet.').waitFor() },
  {
    name: 'the shop',
    path: '/',
    reach: (page) =>
      page
        .getByText(/in stock$/)
        .first()
        .waitFor(),
  },
  {
    name: 'a search without result',
    path: '/?q=nothing+at+all',
    reach: (page) => page.getByText('Nothing fits').waitFor(),
  },
  {
    name: 'an item, in the basket',
    path: '/item/KIT-CHEF-KNIFE-20',
    async reach(page) {
      await page.getByText(/in stock$/).waitFor();
      await page.getByRole('button', { name: /^Add / }).click();
    },
  },
  {
    name: 'an address with mistakes',
    path: '/basket',
    async reach(page) {
      await page.getByRole('button', { name: 'Show shipping and total' }).click();
      await page.getByText('Fill in the city.').waitFor();
    },
  },
  { name: 'signing in', path: '/sign-in', reach: (page) => page.getByLabel('Bearer token').waitFor() },
  { name: 'the mesh to a stranger', path: '/mesh', reach: (page) => page.getByRole('alert').waitFor() },
  { name: 'no page at all', path: '/nowhere', reach: (page) => page.getByText('Nothing here').waitFor() },
];

const CUSTOMERS: readonly Stop[] = [
  {
    name: 'an offer',
    path: '/basket',
    reach: (page) => page.getByRole('button', { name: /^Place order · / }).waitFor(),
  },
  { name: 'the orders', path: '/orders', reach: (page) => page.getByText('Confirmed').first().waitFor() },
  {
    name: 'an order',
    path: '/orders',
    async reach(page) {
      await page.locator('[data-order]').first().getByRole('link').click();
      await page.getByRole('list', { name: 'Progress' }).waitFor();
    },
  },
  { name: 'the traces', path: '/traces', reach: (page) => page.locator('[data-trace]').first().waitFor() },
  {
    name: 'a trace and a span of it',
    path: '/traces',
    async reach(page) {
      await page.getByRole('searchbox', { name: 'RPC of the root span' }).fill('PlaceShipment');
      await page.locator('[data-trace]').filter({ hasText: 'pricing' }).first().getByRole('link').click();
      await page.locator('tr[data-span]').nth(2).click();
      await page.getByRole('region', { name: 'Span details' }).waitFor();
    },
  },
  { name: 'the mesh', path: '/mesh', reach: (page) => page.getByRole('img').waitFor() },
  { name: 'one’s token', path: '/sign-in', reach: (page) => page.getByText('orders:write').waitFor() },
];

test('what a stranger sees has no serious finding and fits a narrow screen', async ({ skip }) => {
  const { page } = await visit(skip, mesh, { path: '/sign-in' });
  expect(await findings(page, STRANGERS)).toEqual([]);
}, 120_000);

test('what a customer sees has no serious finding and fits a narrow screen', async ({ skip }) => {
  const customer = await callerOf(mesh);
  await buy(customer);
  const { page } = await visit(skip, mesh, {
    path: '/sign-in',
    token: await mesh.token({ subject: customer.subject }),
    basket: { 'KIT-CHEF-KNIFE-20': 1, 'BOK-PICT-OWL-MOON': 2 },
    address: BERLIN_FORM,
  });
  expect(await findings(page, CUSTOMERS)).toEqual([]);
}, 120_000);

test('the way past the header works, and the focus follows to each new page', async ({ skip }) => {
  const { page } = await visit(skip, mesh);
  await page.getByRole('heading', { level: 1, name: 'Everything' }).waitFor();
  await page.keyboard.press('Tab');
  await page.getByRole('link', { name: 'Skip to the contents' }).and(page.locator(':focus')).waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('main').and(page.locator(':focus')).waitFor();
  for (const name of ['Orders', 'Traces', 'Mesh']) {
    await page.getByRole('link', { name, exact: true }).click();
    await page.getByRole('heading', { level: 1, name }).and(page.locator(':focus')).waitFor();
    expect(await page.title()).toBe(`${name} · Weft`);
  }
  await page.goBack();
  await page.getByRole('heading', { level: 1, name: 'Traces' }).and(page.locator(':focus')).waitFor();
});

/** Visits the pages one after the other; gives what is wrong with them, in words. */
async function findings(page: Page, stops: readonly Stop[]): Promise<string[]> {
  const origin = new URL(page.url()).origin;
  const found: string[] = [];
  for (const { name, path, reach } of stops) {
    await page.goto(`${origin}${path}`);
    await reach(page);
    await page.evaluate(axe);
    await page.emulateMedia({ colorScheme: 'light' });
    found.push(...(await seriousFindings(page)).map((finding) => `${name}: ${finding}`));
    await page.emulateMedia({ colorScheme: 'dark' });
    found.push(...(await seriousFindings(page, ['color-contrast'])).map((finding) => `${name}, dark: ${finding}`));
    await page.setViewportSize({ width: 320, height: 800 });
    const overhang = await page.evaluate<number>(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    if (overhang > 0) found.push(`${name}: ${overhang} px hang over the side at a width of 320`);
    await page.setViewportSize({ width: 1280, height: 800 });
  }
  return found;
}

async function seriousFindings(page: Page, rules?: readonly string[]): Promise<string[]> {
  const options = { resultTypes: ['violations'], ...(rules === undefined ? {} : { runOnly: rules }) };
  const { violations } = await page.evaluate<AxeResults>(`axe.run(document, ${JSON.stringify(options)})`);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`);
}
