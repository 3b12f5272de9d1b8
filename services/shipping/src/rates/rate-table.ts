/**
 * A carrier's rate table as a stream brings it, chunk by chunk: gathered into one message, bounded, and checked as a whole. A
 * repetition that is cut into other chunks gathers to the same message, and so is the same request.
 */

import { create } from '@bufbuild/protobuf';
import {
  type ImportRateTableRequest,
  ImportRateTableRequestSchema,
} from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { fail } from '@weft/runtime/errors/fail';
import { isCurrency } from '@weft/values/currency';
import { normalizePostalCode } from './postal-code.ts';

/** Most rows of a table, of all kinds together: what is gathered in memory before it is checked. */
export const TABLE_ROWS_MAX = 200_000;

/**
 * Gathers a stream's chunks.
 *
 * @throws IMPORT_CHUNK_INVALID when a chunk names another request or carrier than the first, or there is none.
 * @throws RATE_TABLE_INVALID when there are too many rows.
 */
export async function gatherTable(chunks: AsyncIterable<ImportRateTableRequest>): Promise<ImportRateTableRequest> {
  let table: ImportRateTableRequest | undefined;
  let rows = 0;
  let number = 0;
  for await (const chunk of chunks) {
    number += 1;
    table ??= create(ImportRateTableRequestSchema, { requestId: chunk.requestId, carrierId: chunk.carrierId });
    checkSame('request_id', number, chunk.requestId, table.requestId);
    checkSame('carrier_id', number, chunk.carrierId, table.carrierId);
    rows += chunk.services.length + chunk.zones.length + chunk.rates.length + chunk.cartons.length;
    if (rows > TABLE_ROWS_MAX) {
      const metadata = { max_rows: `${TABLE_ROWS_MAX}` };
      throw fail('RATE_TABLE_INVALID', `A table has at most ${TABLE_ROWS_MAX} rows.`, metadata);
    }
    table.services.push(...chunk.services);
    table.zones.push(...chunk.zones);
    table.rates.push(...chunk.rates);
    table.cartons.push(...chunk.cartons);
  }
  if (table === undefined) {
    throw fail('IMPORT_CHUNK_INVALID', 'The stream ended without a chunk.');
  }
  return table;
}

function checkSame(field: string, chunk: number, mine: string, first: string): void {
  if (mine !== first) {
    throw fail('IMPORT_CHUNK_INVALID', `Chunk ${chunk} has another ${field} than the first.`, {
      field,
      chunk: `${chunk}`,
    });
  }
}

/**
 * Checks that the rows agree with each other.
 *
 * @throws RATE_TABLE_INVALID that names the first row at fault as `rates[12]`, counted from 0 within its kind over the stream.
 */
export function checkTable(table: ImportRateTableRequest): void {
  const services = new Set<string>();
  for (const [at, { serviceId, minTransitDays, maxTransitDays }] of table.services.entries()) {
    once('services', at, services, serviceId, `the service ${serviceId}`);
    if (minTransitDays > maxTransitDays) {
      throw invalid('services', at, `its least ${minTransitDays} transit days exceed its most, ${maxTransitDays}`);
    }
  }
  const zones = new Set<string>();
  const ways = new Set<string>();
  for (const [at, row] of table.zones.entries()) {
    known('zones', at, services, row.serviceId, `service ${row.serviceId}`);
    const prefix = normalizePostalCode(row.postalPrefix);
    const way = `${row.originCountryCode} to ${row.destinationCountryCode}${prefix === '' ? '' : ` ${prefix}`}`;
    once('zones', at, ways, keyOf(row.serviceId, way), `the way from ${way} by ${row.serviceId}`);
    zones.add(keyOf(row.serviceId, row.zone));
  }
  const steps = new Set<string>();
  for (const [at, row] of table.rates.entries()) {
    known('rates', at, services, row.serviceId, `service ${row.serviceId}`);
    known('rates', at, zones, keyOf(row.serviceId, row.zone), `zone ${row.zone} of ${row.serviceId}`);
    const currencyCode = row.price?.currencyCode ?? '';
    if (!isCurrency(currencyCode)) {
      throw invalid('rates', at, `${currencyCode} is no currency of ISO 4217`);
    }
    const step = `${row.maxWeightGrams} g in ${currencyCode} to ${row.zone} by ${row.serviceId}`;
    once('rates', at, steps, keyOf(row.serviceId, row.zone, currencyCode, `${row.maxWeightGrams}`), `the step ${step}`);
  }
  const cartons = new Set<string>();
  for (const [at, { cartonId }] of table.cartons.entries()) {
    once('cartons', at, cartons, cartonId, `the carton ${cartonId}`);
  }
}

function once(kind: string, at: number, seen: Set<string>, key: string, what: string): void {
  if (seen.has(key)) {
    throw invalid(kind, at, `${what} is there twice`);
  }
  seen.add(key);
}

function known(kind: string, at: number, all: ReadonlySet<string>, key: string, what: string): void {
  if (!all.has(key)) {
    throw invalid(kind, at, `there is no ${what} in the table`);
  }
}

/** Names may hold any printable character, so the parts are told apart by one that is not. */
function keyOf(...parts: string[]): string {
  return parts.join('\n');
}

function invalid(kind: string, at: number, what: string): Error {
  return fail('RATE_TABLE_INVALID', `${kind}[${at}]: ${what}.`, { row: `${kind}[${at}]` });
}
