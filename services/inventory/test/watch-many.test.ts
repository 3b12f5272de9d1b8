/**
 * Many watchers at once: they cost the database what one costs, and one that does not read is ended without a cost to the others.
 */

import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import {
  type StockLevel,
  StockService,
  WatchStockLevelsRequestSchema,
} from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { Changefeed } from '@weft/runtime/data/changefeed';
import { openPool } from '@weft/runtime/data/pool';
import { reasonOf } from '@weft/runtime/errors/fail';
import { implement } from '@weft/runtime/server/implement';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { requestId, transportAs } from '../../../dev/src/testing/calls.ts';
import { type Hosted, host, openTestDatabase } from '../../../dev/src/testing/hosted.ts';
import { statementName } from '../../../dev/src/testing/statements.ts';
import { waitFor } from '../../../dev/src/wait.ts';
import { openDatabase } from '../src/database.ts';
import { stockService } from '../src/stock/service.ts';
import { addItem, addLocation, addStock, startInventory, type TestInventory } from './harness.ts';
import { isBookmark, Reader, untilSettled } from './watch-reader.ts';

describe('the database', () => {
  const watchers = 100;
  const changes = 8;
  let inventory: TestInventory;
  beforeAll(async () => {
    inventory = await startInventory({ sweepIntervalMs: 3_600_000 });
    await addLocation(inventory, { locationId: 'hamburg' });
    await addItem(inventory, { sku: 'A' });
    await addStock(inventory, 'A', 'hamburg', 1);
  });
  afterAll(() => inventory.stop());

  /** How often each statement was run while `work` ran, by name. */
  async function counting(work: () => Promise<void>): Promise<Map<string, number>> {
    const run = vi.spyOn(Client.prototype, 'query');
    await work();
    const names = run.mock.calls.map(([statement]) => statementName(statement));
    run.mockRestore();
    return new Map([...Map.groupBy(names, (name) => name)].map(([name, calls]) => [name, calls.length]));
  }

  test.each([
    { name: 'stock levels', statement: 'stock_read_at' },
    { name: 'availability', statement: 'catalogue_read' },
    { name: 'items', statement: 'items_read' },
    { name: 'reservations', statement: 'reservations_changed' },
  ])('reads each change once, however many watch $name', async ({ name, statement }) => {
    const { items, stock, availability, reservations } = inventory;
    const open = () =>
      new Reader<{ resumeToken: string; event: { case?: string | undefined; value?: unknown } }>((options) =>
        name === 'stock levels'
          ? stock.watchStockLevels({}, options)
          : name === 'availability'
            ? availability.watchAvailability({ skus: ['A'] }, options)
            : name === 'items'
              ? items.watchItems({}, options)
              : reservations.watchReservations({}, options),
      );
    const change = async () => {
      if (name === 'items') {
        const item = { sku: 'A', name: `Name ${Math.random()}` };
        await items.updateItem({ requestId: requestId(), item, updateMask: { paths: ['name'] } });
      } else if (name === 'reservations') {
        const lines = [{ sku: 'A', quantity: 1n }];
        await reservations.createReservation({ requestId: requestId(), lines, ttl: { seconds: 600n } });
      } else {
        await addStock(inventory, 'A', 'hamburg', 1);
      }
    };
    await addStock(inventory, 'A', 'hamburg', changes);
    await untilSettled(inventory);
    const readers = Array.from({ length: watchers }, open);
    await Promise.all(readers.map((reader) => reader.until(isBookmark)));
    const before = await counting(async () => {
      await change();
      await readers[0]?.next();
    });
    await Promise.all(readers.slice(1).map((reader) => reader.next()));
    const ran = await counting(async () => {
      for (let i = 0; i < changes; i += 1) {
        await change();
        await Promise.all(readers.map((reader) => reader.next()));
      }
    });
    // The writer may read as well; what one change costs is what each of them costs.
    expect(before.get(statement)).toBeGreaterThan(0);
    expect(ran.get(statement)).toBeLessThanOrEqual((before.get(statement) ?? 0) * changes);
    expect(ran.get('changes_after_of')).toBeUndefined();
    expect(ran.get('changes_after')).toBeLessThan(watchers);
    for (const reader of readers) reader.close();
  });

  test('is not asked by those who resume, but for what they missed', async () => {
    const open = (resumeToken = '') =>
      new Reader((options) => inventory.stock.watchStockLevels({ resumeToken }, options));
    await untilSettled(inventory);
    const first = open();
    await first.until(isBookmark);
    first.close();
    await addStock(inventory, 'A', 'hamburg', 1);
    await untilSettled(inventory);
    const ran = await counting(async () => {
      const readers = Array.from({ length: watchers }, () => open(first.resumeToken));
      const told = await Promise.all(readers.map((reader) => reader.until(isBookmark)));
      expect(told.map((events) => events.length)).toEqual(told.map(() => 2));
      for (const reader of readers) reader.close();
    });
    expect(ran.get('changes_after_of')).toBeUndefined();
    expect(ran.get('stock_read_at')).toBeLessThan(watchers / 5);
  });
});

describe('a client that does not read', () => {
  const levels = 4_000;
  let database: Awaited<ReturnType<typeof openTestDatabase>>;
  let hosted: Hosted;
  let changefeed: Changefeed;
  let session: ClientHttp2Session | undefined;

  /** Serves stock alone, on a feed that remembers and bears less than usual. */
  async function serveStock(options: { memoryMax?: number; stalledMs?: number }): Promise<void> {
    const pool = openPool({ databaseUrl: database.url, workload: 'inventory' });
    const opened = openDatabase(pool);
    changefeed = new Changefeed({ pool, databaseUrl: database.url, ...options });
    changefeed.start();
    hosted = await host('inventory', {
      services: [implement(StockService, stockService(opened, changefeed))],
      async close() {
        await changefeed.stop();
        await opened.prisma.$disconnect();
        await pool.end();
      },
    });
  }

  /** Watches by a client that takes nothing of what comes. */
  function watchWithoutReading(contentType: string) {
    session = connectHttp2(`http://${hosted.address}`);
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: '/weft.inventory.v1.StockService/WatchStockLevels',
      [constants.HTTP2_HEADER_CONTENT_TYPE]: contentType,
      te: 'trailers',
    });
    const message = toBinary(WatchStockLevelsRequestSchema, create(WatchStockLevelsRequestSchema));
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.byteLength, 1);
    stream.end(Buffer.concat([head, message]));
    const closed = new Promise((resolve) => stream.once('close', () => resolve(stream.rstCode)));
    stream.on('error', () => {});
    return { stream, closed };
  }

  beforeEach(async () => {
    database = await openTestDatabase('inventory');
    await database.pool.query(
      `INSERT INTO items (sku, name, description, category, gtin, weight_grams, length_mm, width_mm, height_mm, tax_category,
         customs_code, origin_country_code)
       SELECT 'S-' || n, 'Item', '', 'all', '', 1, 1, 1, 1, 'standard', '', '' FROM generate_series(1, ${levels}) AS n`,
    );
    await database.pool.query(
      `INSERT INTO locations (location_id, name, recipient, address_lines, city, region_code, postal_code, country_code,
         time_zone, pick_priority, served_country_codes)
       VALUES ('a', 'a', '', '{}', '', '', '', 'DE', 'Europe/Berlin', 1, '{}')`,
    );
    await database.pool.query(
      `INSERT INTO stock (sku, location_id, on_hand) SELECT 'S-' || n, 'a', 5 FROM generate_series(1, ${levels}) AS n`,
    );
  });
  afterEach(async () => {
    session?.destroy();
    await hosted.stop();
    await database.drop();
  });

  test.each([
    { lane: 'gRPC', contentType: 'application/grpc' },
    { lane: 'gRPC-Web', contentType: 'application/grpc-web+proto' },
  ])('by $lane holds up its own listing alone, and is reset before long', async ({ contentType }) => {
    await serveStock({ stalledMs: 300 });
    const listings = vi.spyOn(Client.prototype, 'query');
    const { stream, closed } = watchWithoutReading(contentType);
    await waitFor('the watcher', () => changefeed.watchers === 1, { withinMs: 5_000, everyMs: 5 });
    await waitFor('its end', () => changefeed.watchers === 0, { withinMs: 5_000 });
    const parts = listings.mock.calls.filter(([statement]) => statementName(statement) === 'stock_list');
    listings.mockRestore();
    // Parts that were read: what fits into the windows, and no more.
    expect(parts.length).toBeLessThan(levels / 500);
    stream.resume();
    expect(await closed).toBe(constants.NGHTTP2_CANCEL);
  });

  test('is reset before long although it was too slow already when it stopped', async () => {
    await database.pool.query('DELETE FROM stock');
    await serveStock({ stalledMs: 2_000, memoryMax: 300 });
    const { stream, closed } = watchWithoutReading('application/grpc');
    // The bookmark behind an empty listing: from now on it is given what is written.
    await once(stream, 'readable');
    await database.pool.query(
      `WITH put AS (INSERT INTO stock (sku, location_id, on_hand) SELECT sku, 'a', 5 FROM items RETURNING sku)
       INSERT INTO changes (topic, key, payload) SELECT 'stock', sku || ' a', '' FROM put`,
    );
    await waitFor('its end', () => changefeed.watchers === 0, { withinMs: 10_000 });
    await waitFor('its reset', () => stream.closed, { withinMs: 10_000 });
    stream.resume();
    expect(await closed).toBe(constants.NGHTTP2_CANCEL);
  }, 30_000);

  test('in time is told RESOURCE_EXHAUSTED, and leads on from its last token to what there is', async () => {
    await serveStock({ memoryMax: 500 });
    const client = createClient(StockService, transportAs(hosted.address, { workload: 'shipping' }));
    const known = new Map<string, bigint>();
    const note = ({ sku, onHand }: StockLevel) => known.set(sku, onHand);
    const write = async (round: bigint) => {
      await database.pool.query('UPDATE stock SET on_hand = $1', [round]);
      await database.pool.query(
        "INSERT INTO changes (topic, key, payload) SELECT 'stock', sku || ' a', '' FROM stock ORDER BY sku",
      );
    };
    let resumeToken = '';
    let cuts = 0;
    let round = 5n;
    for (let isDone = false; !isDone; ) {
      const before = resumeToken;
      try {
        for await (const { resumeToken: token, event } of client.watchStockLevels({ resumeToken })) {
          resumeToken = token;
          if (event.case === 'changed') note(event.value);
          if (event.case !== 'bookmark') continue;
          if (cuts === 2) {
            isDone = true;
            break;
          }
          // All that was known is known anew twice over, and meanwhile nobody reads.
          for (let i = 0; i < 2; i += 1) {
            round += 1n;
            await write(round);
          }
          await waitFor('its end', () => changefeed.watchers === 0, { withinMs: 10_000 });
        }
      } catch (error) {
        expect(reasonOf(error) ?? error).toBe('WATCHER_TOO_SLOW');
        expect(error instanceof ConnectError && error.code).toBe(Code.ResourceExhausted);
        expect(resumeToken).not.toBe(before);
        cuts += 1;
      }
    }
    expect(cuts).toBe(2);
    expect(known.size).toBe(levels);
    expect(new Set(known.values())).toEqual(new Set([round]));
  }, 60_000);
});
