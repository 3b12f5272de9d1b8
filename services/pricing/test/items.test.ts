// Pricing's copy of the items: quotes go on while inventory is away, and the copy is right again afterwards.

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { CreateQuoteRequestSchema } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { requestId } from '../../../dev/src/testing/calls.ts';
import {
  aPrice,
  type Clients,
  eventually,
  outcomeOf,
  place,
  putPrices,
  putRate,
  startPricing,
  type TestPricing,
} from './harness.ts';
import { Shelf } from './shelf.ts';

const SKUS = ['MUG', 'POT', 'PAN', 'NEW'];
/** Longer than the longest pause before the stream is opened again. */
const UNTIL_COPIED_MS = 20_000;

let shelf: Shelf;
let pricing: TestPricing;
beforeEach(async () => {
  shelf = await Shelf.start();
  shelf.put('MUG');
  shelf.put('POT');
  pricing = await startPricing({ egress: shelf.egress });
  await putRate(pricing);
  await putPrices(pricing, ...SKUS.map((sku) => aPrice(sku, 100n)));
});
afterEach(async () => {
  await pricing?.stop();
  await shelf?.stop();
});

type Request = Extract<MessageInitShape<typeof CreateQuoteRequestSchema>, { $typeName?: never }>;

const aQuote = (...skus: string[]): Request => ({
  requestId: requestId(),
  lines: skus.map((sku) => ({ sku, quantity: 1n })),
  currencyCode: 'EUR',
  destination: place('DE'),
});
/** The names of the items that a quote shows, or the reason for which there is none. */
const quoted = (skus: string[], { quotes }: Clients = pricing) =>
  outcomeOf(quotes.createQuote(aQuote(...skus)).then(({ quote }) => quote?.lines.map(({ name }) => name)));

/** What is copied, as `SKU name`, sorted. */
async function copied(): Promise<string[]> {
  const { rows } = await pricing.pool.query<{ sku: string; name: string }>('SELECT sku, name FROM items ORDER BY sku');
  return rows.map(({ sku, name }) => `${sku} ${name}`);
}
const untilCopied = (...items: string[]) => eventually(copied, (is) => is.join() === items.join(), UNTIL_COPIED_MS);
/** Until the listing is complete. */
const untilFollowing = () =>
  eventually(
    async () =>
      (await pricing.pool.query<{ token: string }>('SELECT resume_token AS token FROM item_copy')).rows[0]?.token,
    (token) => token !== '',
  );
/** Connections that hold the right to follow. */
const followers = async () => {
  const { rows } = await pricing.pool.query<{ pid: number }>(
    `SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database
     WHERE locktype = 'advisory' AND granted AND datname = current_database() AND objid = 1769235821`,
  );
  return rows.map(({ pid }) => pid);
};

describe('while inventory is there', () => {
  test('the copy follows: new items, other names, deletions', async () => {
    await untilCopied('MUG Item MUG', 'POT Item POT');
    shelf.put('NEW', { name: 'Brand new' });
    shelf.put('MUG', { name: 'A better mug' });
    await untilCopied('MUG A better mug', 'NEW Brand new', 'POT Item POT');
    expect(await quoted(['MUG', 'NEW'])).toEqual(['A better mug', 'Brand new']);
    shelf.take('POT');
    await untilCopied('MUG A better mug', 'NEW Brand new');
    // Nobody had to be asked.
    expect(shelf.batchGets).toBe(0);
    expect(await quoted(['MUG', 'POT'])).toBe('ITEM_NOT_FOUND');
  });

  test('a deleted item comes back as it is then', async () => {
    await untilFollowing();
    shelf.take('MUG');
    await untilCopied('POT Item POT');
    shelf.put('MUG', { name: 'Back again' });
    await untilCopied('MUG Back again', 'POT Item POT');
    expect(await quoted(['MUG'])).toEqual(['Back again']);
  });

  test('what the copy lacks is asked for, all at once, and only that', async () => {
    await untilFollowing();
    shelf.putUnseen('NEW', { name: 'Not heard of yet' });
    shelf.putUnseen('PAN', { name: 'Neither' });
    expect(await quoted(['MUG', 'NEW', 'PAN'])).toEqual(['Item MUG', 'Not heard of yet', 'Neither']);
    expect(shelf.batchGets).toBe(1);
  });

  test('a large stock is copied whole', async () => {
    await untilFollowing();
    await shelf.switchOff();
    const skus = Array.from({ length: 1_201 }, (_, index) => `LARGE-${index}`);
    for (const sku of skus) {
      shelf.put(sku);
    }
    shelf.forgetHistory();
    await shelf.switchOn();
    await eventually(copied, (items) => items.length === 1_203, UNTIL_COPIED_MS);
  });
});

describe('while inventory is away', () => {
  test('quotes go on with what is copied, and what is not is told as unreachable', async () => {
    await untilFollowing();
    await shelf.switchOff();
    expect(await quoted(['MUG', 'POT'])).toEqual(['Item MUG', 'Item POT']);
    expect(await quoted(['MUG', 'NEW'])).toBe('UNREACHABLE');
  });

  test('a quote that was made is given again, though its items cannot be found any more', async () => {
    await untilFollowing();
    shelf.putUnseen('NEW');
    const request = aQuote('NEW');
    const first = await pricing.quotes.createQuote(request);
    await shelf.switchOff();
    expect(await pricing.quotes.createQuote(request)).toEqual(first);
    expect(await quoted(['NEW'])).toBe('UNREACHABLE');
  });

  test('a start without inventory serves, and copies as soon as it is there', async () => {
    await shelf.switchOff();
    await pricing.stop();
    pricing = await startPricing({ egress: shelf.egress });
    await putRate(pricing);
    await putPrices(pricing, aPrice('MUG', 100n));
    expect(await quoted(['MUG'])).toBe('UNREACHABLE');
    await shelf.switchOn();
    await untilCopied('MUG Item MUG', 'POT Item POT');
  });
});

describe('afterwards', () => {
  test('it goes on where it was, and hears what it missed', async () => {
    await untilFollowing();
    await shelf.switchOff();
    shelf.put('NEW');
    shelf.take('POT');
    await shelf.switchOn();
    await untilCopied('MUG Item MUG', 'NEW Item NEW');
    // Listed once, then resumed.
    expect(shelf.opened.filter((token) => token === '')).toHaveLength(1);
  });

  test('when its place is forgotten it lists anew, and what vanished unseen is gone', async () => {
    await untilFollowing();
    await shelf.switchOff();
    shelf.takeUnseen('POT');
    shelf.putUnseen('NEW', { name: 'From the backup' });
    shelf.forgetHistory();
    // What was copied is good until the new listing is complete.
    expect(await quoted(['MUG', 'POT'])).toEqual(['Item MUG', 'Item POT']);
    await shelf.switchOn();
    await untilCopied('MUG Item MUG', 'NEW From the backup');
    expect(shelf.opened.filter((token) => token === '')).toHaveLength(2);
    expect(await quoted(['POT'])).toBe('ITEM_NOT_FOUND');
    // And follows on from there.
    shelf.put('PAN');
    await untilCopied('MUG Item MUG', 'NEW From the backup', 'PAN Item PAN');
  });

  test('a restart resumes by its token, and hears what it missed', async () => {
    const token = await untilFollowing();
    await pricing.leave();
    shelf.put('NEW');
    shelf.take('MUG');
    const restarted = await pricing.replica();
    await untilCopied('NEW Item NEW', 'POT Item POT');
    expect(shelf.opened).toEqual(['', token]);
    expect(await quoted(['NEW', 'POT'], restarted)).toEqual(['Item NEW', 'Item POT']);
  });
});

describe('of two replicas', () => {
  test('one follows, and both quote from what it copies', async () => {
    await untilFollowing();
    const second = await pricing.replica();
    shelf.put('NEW', { name: 'For both' });
    await untilCopied('MUG Item MUG', 'NEW For both', 'POT Item POT');
    expect(await quoted(['NEW'], second)).toEqual(['For both']);
    expect(await followers()).toHaveLength(1);
    expect(shelf.opened).toHaveLength(1);
  });

  test('the other takes over where the one stopped', async () => {
    const token = await untilFollowing();
    const second = await pricing.replica();
    await pricing.leave();
    shelf.put('NEW');
    await untilCopied('MUG Item MUG', 'NEW Item NEW', 'POT Item POT');
    expect(shelf.opened).toEqual(['', token]);
    expect(await quoted(['NEW'], second)).toEqual(['Item NEW']);
  });

  test('who loses the lock with its connection writes no more, and one of them goes on', async () => {
    await untilFollowing();
    await pricing.replica();
    const [lost] = await followers();
    await pricing.pool.query('SELECT pg_terminate_backend($1)', [lost]);
    shelf.put('NEW');
    await untilCopied('MUG Item MUG', 'NEW Item NEW', 'POT Item POT');
    const now = await followers();
    expect(now).toHaveLength(1);
    expect(now).not.toContain(lost);
    expect(shelf.opened.filter((token) => token === '')).toHaveLength(1);
  });
});
