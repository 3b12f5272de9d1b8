/**
 * The shop in a real browser, against the edge at another origin: browse, search, and stock that changes while one looks.
 */

import { beforeAll, describe, expect, test } from 'vitest';
import { type TestMesh, testMesh } from '../../../dev/src/testing.ts';
import { callerOf } from '../customer.ts';
import { rpcOf, SOON, visitors } from './browser.ts';
import { shelve } from './shelf.ts';

const visit = visitors();
let mesh: TestMesh;
beforeAll(async () => {
  mesh = await testMesh();
});

describe('a stranger', () => {
  test('browses by category and searches by words', async ({ skip }) => {
    const { page, trouble } = await visit(skip, mesh);
    const cards = page.getByRole('list', { name: 'Items' }).getByRole('listitem');
    await cards.first().getByRole('heading').waitFor();
    expect(await cards.count()).toBe(24);
    await page.getByRole('button', { name: 'Show more items' }).click();
    await cards.nth(24).getByRole('heading').waitFor();

    await page
      .getByRole('navigation', { name: 'Categories' })
      .getByRole('link', { name: /^Kitchen \d+$/ })
      .click();
    await page.getByRole('heading', { level: 1, name: 'Kitchen' }).waitFor();
    expect(new URL(page.url()).searchParams.get('category')).toBe('kitchen');

    await page.getByRole('searchbox', { name: 'Search items' }).fill('chef knife');
    await cards.filter({ hasText: "Chef's Knife, 20 cm" }).getByText('€89.90').waitFor();
    await expect.poll(() => new URL(page.url()).searchParams.get('q'), SOON).toBe('chef knife');
    await page.reload();
    await cards.filter({ hasText: "Chef's Knife, 20 cm" }).waitFor();

    await cards.getByRole('link', { name: "Chef's Knife, 20 cm" }).click();
    await page.getByRole('heading', { level: 1, name: "Chef's Knife, 20 cm" }).waitFor();
    await page.getByText('KIT-CHEF-KNIFE-20').waitFor();
    expect(trouble).toEqual([]);
  });

  test('is told when nothing fits, whatever was typed', async ({ skip }) => {
    const { page, trouble } = await visit(skip, mesh);
    for (const words of ['no such thing', 'category:"kitchen" AND (\\', '💥']) {
      await page.getByRole('searchbox', { name: 'Search items' }).fill(words);
      await expect.poll(() => new URL(page.url()).searchParams.get('q'), SOON).toBe(words);
      await page.getByText('Nothing fits that.').waitFor();
    }
    await page.getByRole('button', { name: 'Show everything' }).click();
    await page.getByRole('list', { name: 'Items' }).getByRole('heading').first().waitFor();
    expect(trouble).toEqual([]);
  });

  test('is told that an item is not sold here', async ({ skip }) => {
    const { page } = await visit(skip, mesh, { path: '/item/NO-SUCH-THING' });
    await page.getByRole('alert').getByText('NO-SUCH-THING is not sold any more.').waitFor();
  });

  test('keeps the basket over a reload and in another tab', async ({ skip }) => {
    const { page, context } = await visit(skip, mesh, { path: '/item/KIT-CHEF-KNIFE-20' });
    await page.getByRole('button', { name: "Add to basket: Chef's Knife, 20 cm" }).click();
    await page.reload();
    await page.getByRole('link', { name: 'Basket, 1 unit' }).waitFor();
    const other = await context.newPage();
    await other.goto(`${mesh.webUrl}/item/KIT-CHEF-KNIFE-20`);
    await other.getByRole('button', { name: "One more of Chef's Knife, 20 cm" }).click();
    await page.getByRole('link', { name: 'Basket, 2 units' }).waitFor();
  });
});

describe.each([
  ['Connect', '', 'application/connect+json'],
  ['gRPC-Web', '?protocol=grpc-web', 'application/grpc-web+proto'],
])('by %s', (_protocol, query, contentType) => {
  test('stock changes on the screen while others buy, without a reload', async ({ skip }) => {
    const merchant = await callerOf(mesh);
    const item = await shelve(merchant, 20n);
    const { page, trouble } = await visit(skip, mesh, { path: `/item/${item.sku}${query}` });
    await page.getByText('20 in stock').waitFor();
    let loads = 0;
    page.on('load', () => {
      loads += 1;
    });
    await item.adjust(-15n);
    await page.getByText('Only 5 left').waitFor();
    await item.adjust(-5n);
    await page.getByText('Sold out').waitFor();
    expect(await page.getByRole('button', { name: `Add to basket: ${item.name}` }).isDisabled()).toBe(true);
    await item.allowBackorders(50n);
    await page.getByText('On backorder').waitFor();
    expect(await page.getByRole('button', { name: `Add to basket: ${item.name}` }).isEnabled()).toBe(true);
    await item.adjust(200n);
    await page.getByText('100+ in stock').waitFor();
    expect(loads).toBe(0);
    expect(trouble).toEqual([]);
  });

  test('the page asks the edge at another origin, which allows it', async ({ skip }) => {
    const { page } = await visit(skip, mesh, { path: '/sign-in' });
    const stream = page.waitForResponse(
      (response) => rpcOf(response.url()) === 'AvailabilityService/WatchAvailability',
    );
    await page.goto(`${mesh.webUrl}/item/KIT-CHEF-KNIFE-20${query}`);
    const response = await stream;
    expect(new URL(response.url()).origin).toBe(new URL(mesh.edgeUrl).origin);
    expect(new URL(page.url()).origin).not.toBe(new URL(mesh.edgeUrl).origin);
    expect((await response.request().allHeaders())['content-type']).toBe(contentType);
    const headers = await response.allHeaders();
    expect(headers['access-control-allow-origin']).toBe(new URL(mesh.webUrl).origin);
    expect(headers['access-control-expose-headers']).toContain('x-weft-trace-id');
  });
});
