/**
 * A browser for the tests of this folder: finds Chromium (`CHROMIUM_BIN`, else on PATH), opens the page as a stranger or as somebody
 * with a token, and keeps what the page complained of. Without Chromium a test says so and is skipped.
 */

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core';
import { afterAll, onTestFinished } from 'vitest';
import type { TestMesh } from '../../../dev/src/testing.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];

const ARGUMENTS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Chromium's sandbox refuses to run for root.
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
];

/** Longest that a page may take for anything, in milliseconds; a busy machine needs some of it. */
const PATIENCE_MS = 30_000;

/** The same for `expect.poll`. */
export const SOON = { timeout: PATIENCE_MS, interval: 100 };

/** Somebody who looks at the page. */
export type Visitor = {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Uncaught errors, errors on the console, requests that failed or were refused. Streams that the page itself ended are not among them. */
  readonly trouble: readonly string[];
};

/** Who comes, and with what in hand. */
export type VisitOptions = {
  /** Bearer token, given to the page as `npm start` does. */
  readonly token?: string;
  /** Path to open, with its query. Default: the shop's front. */
  readonly path?: string;
  /** Origin of the page. Default: the mesh's. */
  readonly webUrl?: string;
  readonly width?: number;
  /** SKUs and quantities that are in the basket already. */
  readonly basket?: Readonly<Record<string, number>>;
  /** An address that was typed in before. */
  readonly address?: Readonly<Record<string, string>>;
};

/** What vitest gives a test to skip itself with. */
type Skip = (reason: string) => void;

/** An address as the form keeps it. */
export const BERLIN_FORM = {
  country: 'DE',
  recipient: 'Ada Beispiel',
  line1: 'Torstraße 1',
  line2: '',
  postalCode: '10119',
  city: 'Berlin',
  region: '',
} as const;

/**
 * Gives a function that opens the page in a window of its own, with nothing remembered. One browser serves all tests of a file; call
 * this at the file's top. Windows are closed when their test is over.
 */
export function visitors(): (skip: Skip, mesh: TestMesh, options?: VisitOptions) => Promise<Visitor> {
  let browser: Promise<Browser> | undefined;
  afterAll(async () => {
    await (await browser)?.close();
  });
  return async (skip, mesh, options = {}) => {
    const executablePath = findChromium();
    if (executablePath === undefined) skip('there is no Chromium on PATH, and CHROMIUM_BIN does not name one');
    browser ??= chromium.launch({ executablePath: executablePath ?? '', headless: true, args: ARGUMENTS });
    const context = await (await browser).newContext({
      viewport: { width: options.width ?? 1280, height: 800 },
      locale: 'en-GB',
      reducedMotion: 'reduce',
    });
    onTestFinished(() => context.close());
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    const trouble: string[] = [];
    listen(page, trouble);
    const webUrl = options.webUrl ?? mesh.webUrl;
    const kept = {
      basket: Object.entries(options.basket ?? {}).map(([sku, quantity]) => ({ sku, quantity })),
      address: options.address,
    };
    if (kept.basket.length > 0 || kept.address !== undefined) {
      // Only on the first load: what the page does to them afterwards must last.
      await page.goto(`${webUrl}/config.json`);
      await page.evaluate(`
        localStorage.setItem('weft.basket', ${JSON.stringify(JSON.stringify(kept.basket))});
        ${kept.address === undefined ? '' : `sessionStorage.setItem('weft.address', ${JSON.stringify(JSON.stringify(kept.address))})`}`);
    }
    await page.goto(`${webUrl}${options.path ?? '/'}${options.token === undefined ? '' : `#token=${options.token}`}`);
    return { page, context, trouble };
  };
}

/** Presses Tab until something has the focus, and says where the focus was lost when it never does. */
export async function tabTo(target: Locator): Promise<void> {
  const page = target.page();
  const focused = target.and(page.locator(':focus'));
  for (let presses = 0; presses < 150; presses += 1) {
    if ((await focused.count()) > 0) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab does not lead to ${String(target)}`);
}

/** The RPC that a request calls: `ItemService/ListItems`; undefined for the page's own files. */
export function rpcOf(url: string): string | undefined {
  return /\/weft\.\w+\.v\d+\.(\w+\/\w+)$/.exec(url)?.[1];
}

function listen(page: Page, trouble: string[]): void {
  page.on('pageerror', (error) => trouble.push(`uncaught: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') trouble.push(`console: ${message.text()}`);
  });
  page.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText ?? 'no reason';
    if (reason !== 'net::ERR_ABORTED') trouble.push(`failed: ${request.url()}: ${reason}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) trouble.push(`${response.status()}: ${response.url()}`);
  });
}

function findChromium(): string | undefined {
  const named = process.env.CHROMIUM_BIN;
  if (named) {
    if (!isExecutable(named)) throw new Error(`CHROMIUM_BIN is "${named}", which cannot be executed`);
    return named;
  }
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
