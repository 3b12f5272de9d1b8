/**
 * Imports the sample shop through the edge, by the same RPCs that any shop would use. It is imported once: a later start
 * finds the note that it is whole, asks whether it is still there, and leaves stock and prices as they have become.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { toJsonString } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { type Item, ItemSchema } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { LocationSchema } from '@weft/gen/weft/inventory/v1/location_pb.js';
import { LocationService } from '@weft/gen/weft/inventory/v1/location_service_pb.js';
import { type StockRow, StockService } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { PriceService } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import { TaxRateSchema } from '@weft/gen/weft/pricing/v1/tax_rate_pb.js';
import { TaxService } from '@weft/gen/weft/pricing/v1/tax_service_pb.js';
import { RateService } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { readText } from '../sample/rows.ts';
import { describeCallError, type EdgeClient, edgeClient } from './edge-client.ts';
import { Failure } from './failure.ts';
import type { Mesh } from './mesh.ts';
import type { Progress } from './progress.ts';
import {
  isKit,
  requestId,
  sampleCartons,
  sampleItems,
  sampleLocations,
  sampleLots,
  samplePrices,
  sampleRateTables,
  sampleStock,
  sampleTaxRates,
} from './sample-data.ts';

const noteName = 'sample-imported';
/** Calls at once; a client's limit at the edge is far above what this many reach. */
const callsAtOnce = 32;
const rowsAtOnce = 500;
/**
 * Failures of a machine that is busy with something else: the same request, sent again, gets what the first one did. Internal
 * is among them, since Envoy resets an answer that has begun when its deadline passes.
 */
const passing: ReadonlySet<Code> = new Set([
  Code.Aborted,
  Code.DeadlineExceeded,
  Code.Internal,
  Code.ResourceExhausted,
  Code.Unavailable,
]);
const triesMax = 6;
const firstPauseMs = 250;
/** Within one chunk of an import of rate tables. */
const tableRowsAtOnce = 1000;

/** Imports the sample shop unless it is there. Throws Failure with the RPC's words. */
export async function seed(mesh: Pick<Mesh, 'edgeUrl' | 'stateFolder' | 'token'>, progress: Progress): Promise<void> {
  const client = edgeClient(mesh.edgeUrl, await mesh.token({ subject: 'sample-import' }));
  try {
    await progress.step('Sample shop', async (note) => {
      const noteFile = join(mesh.stateFolder, noteName);
      if (existsSync(noteFile) && (await hasItems(client))) {
        note('as it was left');
        return;
      }
      note('import');
      note(await importSample(client));
      writeFileSync(noteFile, '');
    });
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure('The sample shop could not be imported', {
      why: describeCallError(cause),
      log: join(mesh.stateFolder, 'logs'),
      remedy: 'Read the logs of the service that refused. Starting again goes on with the import where it broke off.',
      cause,
    });
  } finally {
    client.close();
  }
}

async function hasItems(client: EdgeClient): Promise<boolean> {
  return (await client.of(ItemService).listItems({ pageSize: 1 })).items.length > 0;
}

async function importSample(client: EdgeClient): Promise<string> {
  const [items, prices] = await Promise.all([
    importCatalogue(client).then(async (count) => {
      // Stock is of items at places: both have to be there.
      await importStock(client);
      return count;
    }),
    importPrices(client),
    importTaxRates(client),
    importRateTables(client),
  ]);
  return `${items} items, ${prices} prices`;
}

async function importCatalogue(client: EdgeClient): Promise<number> {
  const items = sampleItems();
  const createItem = async (item: Item) => {
    await client.of(ItemService).createItem({ item, requestId: requestId('item', toJsonString(ItemSchema, item)) });
  };
  await Promise.all([
    each(
      items.filter((item) => !isKit(item)),
      createItem,
    ).then(() => each(items.filter(isKit), createItem)),
    each(sampleLocations(), async (location) => {
      const id = requestId('location', toJsonString(LocationSchema, location));
      await client.of(LocationService).createLocation({ location, requestId: id });
    }),
  ]);
  return items.length;
}

async function importStock(client: EdgeClient): Promise<void> {
  await importStockOf(client, 'stock', sampleStock());
  await importStockOf(client, 'lots', sampleLots());
}

async function importStockOf(client: EdgeClient, name: 'stock' | 'lots', rows: readonly StockRow[]): Promise<void> {
  const file = `${name}.csv`;
  const id = requestId(name, readText(file));
  refuseErrors(file, await again(() => client.of(StockService).importStock(chunks(id, rows))));
}

async function importPrices(client: EdgeClient): Promise<number> {
  const prices = samplePrices();
  const id = requestId('prices', readText('prices.csv'));
  refuseErrors('prices.csv', await again(() => client.of(PriceService).importPrices(chunks(id, prices))));
  return prices.length;
}

async function importTaxRates(client: EdgeClient): Promise<void> {
  await each(sampleTaxRates(), async (taxRate) => {
    const id = requestId('tax rate', toJsonString(TaxRateSchema, taxRate));
    await client.of(TaxService).createTaxRate({ taxRate, requestId: id });
  });
}

async function importRateTables(client: EdgeClient): Promise<void> {
  const cartons = sampleCartons();
  for (const { carrierId, services, zones, rates } of sampleRateTables()) {
    const files = ['services', 'zones', 'rates'].map((name) => readText(`carriers/${carrierId}/${name}.csv`));
    const head = {
      carrierId,
      requestId: requestId(`carrier ${carrierId}`, files.join('\n') + readText('cartons.csv')),
    };
    const parts = [
      { ...head, services, cartons },
      ...inParts(zones, tableRowsAtOnce).map((part) => ({ ...head, zones: part })),
      ...inParts(rates, tableRowsAtOnce).map((part) => ({ ...head, rates: part })),
    ];
    await again(() => client.of(RateService).importRateTable(stream(parts)));
  }
}

/** Rows as the chunks of an import. Line 1 of a file is its header. */
async function* chunks<T>(
  id: string,
  rows: readonly T[],
): AsyncGenerator<{ requestId: string; firstLine: bigint; rows: T[] }> {
  let line = 2;
  for (const part of inParts(rows, rowsAtOnce)) {
    yield { requestId: id, firstLine: BigInt(line), rows: part };
    line += part.length;
  }
}

function refuseErrors(file: string, response: { errors: { line: bigint; reason: string; message: string }[] }): void {
  const { errors } = response;
  if (errors.length === 0) return;
  const shown = errors
    .slice(0, 5)
    .map((error) => `dev/sample/${file}:${error.line}: ${error.reason}: ${error.message}`);
  throw new Failure('The sample shop was not taken whole', {
    why: [...shown, ...(errors.length > shown.length ? [`and ${errors.length - shown.length} more`] : [])].join('\n'),
    remedy: 'Mend the file, then start again.',
  });
}

/** Runs `work` for each entry, some at a time. What exists already, as when an import is repeated after days, counts as done. */
async function each<T>(entries: readonly T[], work: (entry: T) => Promise<void>): Promise<void> {
  const rest = entries.values();
  const worker = async (): Promise<void> => {
    for (const entry of rest) {
      try {
        await again(() => work(entry));
      } catch (error) {
        if (!(error instanceof ConnectError) || error.code !== Code.AlreadyExists) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: callsAtOnce }, worker));
}

/** Repeats a request, with growing pauses, while it fails for a passing reason. */
async function again<T>(request: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await request();
    } catch (error) {
      if (tries === triesMax || !(error instanceof ConnectError) || !passing.has(error.code)) throw error;
      await delay(firstPauseMs * 2 ** (tries - 1));
    }
  }
}

function inParts<T>(rows: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, part) => rows.slice(part * size, (part + 1) * size));
}

async function* stream<T>(parts: readonly T[]): AsyncGenerator<T> {
  yield* parts;
}
