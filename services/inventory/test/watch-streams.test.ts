/**
 * What each of the four Watch streams promises: to list and then to follow, to lose nothing between two tokens, to skip nothing that
 * commits late, and to say so when a token leads nowhere.
 */

import { Code, ConnectError } from '@connectrpc/connect';
import { append, purgeChanges } from '@weft/runtime/data/changes';
import { reasonOf } from '@weft/runtime/errors/fail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requestId } from '../../../dev/src/testing/calls.ts';
import { itemChange, reservationChange, stockChange } from '../src/changes.ts';
import { addItem, addLocation, addStock, startInventory, type TestInventory } from './harness.ts';
import { isBookmark, type Message, Reader, untilSettled } from './watch-reader.ts';

let inventory: TestInventory;
beforeAll(async () => {
  inventory = await startInventory();
  await addLocation(inventory, { locationId: 'hamburg' });
  for (const sku of ['A', 'B', 'C', 'D']) {
    await addItem(inventory, { sku });
    await addStock(inventory, sku, 'hamburg', 50);
  }
});
afterAll(() => inventory.stop());

type Opened = {
  next(): Promise<Message['event']>;
  until(isIt: (event: Message['event']) => boolean): Promise<Message['event'][]>;
  close(): void;
  resumeToken: string;
};
type Stream = {
  readonly open: (resumeToken?: string) => Opened;
  /** The same with another scope; undefined for a stream that has none. */
  readonly openOther?: (resumeToken: string) => Opened;
  /** Changes something, and gives its name. */
  readonly change: (sku: string) => Promise<string>;
  /** What of that name is told in the log; what is told need not have changed, except of availability. */
  readonly touch: (name: string) => ReturnType<typeof stockChange>;
  readonly nameOf: (event: Message['event']) => string;
};

const hold = async (sku: string) => {
  const { reservation } = await inventory.reservations.createReservation({
    requestId: requestId(),
    lines: [{ sku, quantity: 1n }],
    ttl: { seconds: 600n },
  });
  return reservation?.reservationId ?? '';
};
const field = (name: string) => (event: Message['event']) =>
  typeof event.value === 'string' ? event.value : String(Object(event.value)[name]);
const bookIn = async (sku: string) => {
  await addStock(inventory, sku, 'hamburg', 1);
  return sku;
};

const streams: Record<string, Stream> = {
  items: {
    open: (resumeToken = '') => new Reader((options) => inventory.items.watchItems({ resumeToken }, options)),
    change: async (sku) => {
      await inventory.items.updateItem({
        requestId: requestId(),
        item: { sku, name: `Name ${Math.random()}` },
        updateMask: { paths: ['name'] },
      });
      return sku;
    },
    touch: itemChange,
    nameOf: field('sku'),
  },
  'stock levels': {
    open: (resumeToken = '') => new Reader((options) => inventory.stock.watchStockLevels({ resumeToken }, options)),
    openOther: (resumeToken) =>
      new Reader((options) => inventory.stock.watchStockLevels({ resumeToken, locationId: 'hamburg' }, options)),
    change: bookIn,
    touch: (sku) => stockChange({ sku, locationId: 'hamburg' }),
    nameOf: field('sku'),
  },
  availability: {
    open: (resumeToken = '') =>
      new Reader((options) =>
        inventory.availability.watchAvailability({ resumeToken, skus: ['A', 'B', 'C', 'D'] }, options),
      ),
    openOther: (resumeToken) =>
      new Reader((options) => inventory.availability.watchAvailability({ resumeToken, skus: ['A', 'B'] }, options)),
    change: bookIn,
    touch: (sku) => stockChange({ sku, locationId: 'hamburg' }),
    nameOf: field('sku'),
  },
  reservations: {
    open: (resumeToken = '') =>
      new Reader((options) => inventory.reservations.watchReservations({ resumeToken }, options)),
    change: hold,
    touch: reservationChange,
    nameOf: field('reservationId'),
  },
};

const failure = async (opened: Opened) => {
  const error = await opened.until(isBookmark).catch((caught: unknown) => caught);
  opened.close();
  return { reason: reasonOf(error), code: error instanceof ConnectError ? error.code : error };
};
/** The token of a reader that has been told everything. */
const tokenWhenSettled = async (stream: Stream) => {
  await untilSettled(inventory);
  return await tokenOf(stream);
};
const tokenOf = async ({ open }: Stream) => {
  const reader = open();
  await reader.until(isBookmark);
  reader.close();
  return reader.resumeToken;
};

describe.each(Object.entries(streams))('the stream of %s', (name, stream) => {
  test('lists what there is, says that this is all, and tells each change after it', async () => {
    const known = await stream.change('A');
    await untilSettled(inventory);
    const reader = stream.open();
    const listed = await reader.until(isBookmark);
    expect(listed.map(stream.nameOf)).toContain(known);
    expect(listed.filter(isBookmark)).toHaveLength(1);
    for (const sku of ['B', 'C', 'B']) {
      const changed = await stream.change(sku);
      expect(stream.nameOf(await reader.next())).toBe(changed);
    }
    reader.close();
  });

  test('goes on from a token as if it had never ended, however much was missed', async () => {
    const token = await tokenWhenSettled(stream);
    const missed: string[] = [];
    for (const sku of ['A', 'B', 'C', 'D']) missed.push(await stream.change(sku));
    await untilSettled(inventory);
    const resumed = stream.open(token);
    const told = (await resumed.until(isBookmark)).slice(0, -1).map(stream.nameOf);
    expect(told.toSorted()).toEqual(missed.toSorted());
    const next = await stream.change('A');
    expect(stream.nameOf(await resumed.next())).toBe(next);
    resumed.close();
    await untilSettled(inventory);
    // The token of each message stands behind that message: nothing is told again.
    const again = stream.open(resumed.resumeToken);
    expect(await again.until(isBookmark)).toHaveLength(1);
    again.close();
  });

  test('trap 11: a change that took its number early and commits late is neither lost nor skipped', async () => {
    await untilSettled(inventory);
    const early = await stream.change('A');
    await untilSettled(inventory);
    const live = stream.open();
    await live.until(isBookmark);
    const slow = await inventory.pool.connect();
    let late: string;
    let between: string;
    try {
      await slow.query('BEGIN');
      if (name === 'availability') {
        await slow.query("UPDATE stock SET on_hand = on_hand - 1 WHERE sku = 'A'");
      }
      await append(slow, [stream.touch(early)]);
      late = await stream.change('B');
      // A watcher that comes now gets a token from between the two.
      between = await tokenOf(stream);
    } finally {
      await slow.query('COMMIT');
      slow.release();
    }
    const { rows } = await inventory.pool.query<{ key: string }>(
      'SELECT key FROM changes WHERE topic = $1 ORDER BY position DESC LIMIT 2',
      [stream.touch(early).topic],
    );
    expect(rows.map(({ key }) => key).reverse()).toEqual([stream.touch(early).key, stream.touch(late).key]);
    expect([stream.nameOf(await live.next()), stream.nameOf(await live.next())]).toEqual([early, late]);
    live.close();
    await untilSettled(inventory);
    const resumed = stream.open(between);
    const told = (await resumed.until(isBookmark)).slice(0, -1).map(stream.nameOf);
    expect(told).toEqual([early, late]);
    resumed.close();
  });

  test('refuses tokens that are made up, of other streams, or of another scope', async () => {
    const tokens = ['nonsense', '!', Buffer.alloc(25).toString('base64url')];
    for (const other of Object.values(streams).filter((one) => one !== stream)) tokens.push(await tokenOf(other));
    for (const token of tokens) {
      expect(await failure(stream.open(token))).toEqual({
        reason: 'RESUME_TOKEN_INVALID',
        code: Code.InvalidArgument,
      });
    }
    if (stream.openOther !== undefined) {
      expect((await failure(stream.openOther(await tokenOf(stream)))).reason).toBe('RESUME_TOKEN_INVALID');
    }
  });

  test('says OUT_OF_RANGE when what came after the token is forgotten, and lists anew without one', async () => {
    const token = await tokenWhenSettled(stream);
    const changed = await stream.change('C');
    await untilSettled(inventory);
    await inventory.pool.query("UPDATE changes SET create_time = now() - interval '2 days'");
    await purgeChanges(inventory.pool);
    expect(await failure(stream.open(token))).toEqual({ reason: 'WATCH_HISTORY_GONE', code: Code.OutOfRange });
    const anew = stream.open();
    expect((await anew.until(isBookmark)).map(stream.nameOf)).toContain(changed);
    anew.close();
  });
});

test('a listing of more than a part goes on from any token within it, and loses nothing that is written meanwhile', async () => {
  const { pool } = inventory;
  await pool.query(
    `INSERT INTO items (sku, name, description, category, gtin, weight_grams, length_mm, width_mm, height_mm, tax_category,
       customs_code, origin_country_code)
     SELECT 'P' || n, 'Part', '', 'parts', '', 1, 1, 1, 1, 'standard', '', '' FROM generate_series(10000, 11299) AS n`,
  );
  const { open, nameOf } = streams.items ?? expect.fail();
  const seen = new Map<string, unknown>();
  let token = '';
  let resumes = 0;
  for (let isListed = false; !isListed; resumes += 1) {
    const reader = open(token);
    for (let i = 0; i < 700 && !isListed; i += 1) {
      const event = await reader.next();
      token = reader.resumeToken;
      isListed = isBookmark(event);
      if (!isListed) seen.set(nameOf(event), event.case);
    }
    reader.close();
    // Behind what was listed already, and before what is to come.
    await inventory.items.deleteItem({ requestId: requestId(), sku: `P1000${resumes}` });
    await addItem(inventory, { sku: `P0-${resumes}` });
  }
  await untilSettled(inventory);
  const last = open(token);
  for (const event of (await last.until(isBookmark)).slice(0, -1)) {
    seen.set(nameOf(event), event.case);
  }
  last.close();
  expect(resumes).toBeGreaterThan(2);
  const { rows } = await pool.query<{ sku: string }>('SELECT sku FROM items WHERE delete_time IS NULL');
  const alive = [...seen].filter(([, how]) => how === 'changed').map(([sku]) => sku);
  expect(alive.toSorted()).toEqual(rows.map(({ sku }) => sku).toSorted());
});
