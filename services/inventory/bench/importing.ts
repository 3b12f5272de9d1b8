/**
 * ImportStock of a million rows by the real RPC: fresh rows, the same once more, and a tenth of them changed.
 */

import { randomUUID } from 'node:crypto';
import { StockService } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { connect } from '@weft/runtime/client/connect';
import { table } from './report.ts';
import type { Stand } from './stand.ts';

const ROWS = 1_000_000;
const CHUNK = 1_000;
const MEMORY_INTERVAL_MS = 250;

/** One import of each kind, once: a million rows are enough to even out. */
export async function importing(stand: Stand): Promise<string> {
  const database = await stand.database({ skus: ROWS, onHand: 0 });
  const server = await stand.serve('ours', database);
  const { importStock } = connect(StockService, { egress: server.egress, policy: policies });
  const rows: string[][] = [];
  for (const [name, units] of [
    ['fresh', () => 10n],
    ['the same once more', () => 10n],
    ['a tenth changed', (index: number) => (index % 10 === 0 ? 11n : 10n)],
  ] as const) {
    const memory = [stand.memoryMiB(server)];
    const watching = setInterval(() => memory.push(stand.memoryMiB(server)), MEMORY_INTERVAL_MS);
    const begun = performance.now();
    const { changedCount, unchangedCount, errors } = await importStock(chunks(units));
    const seconds = (performance.now() - begun) / 1_000;
    clearInterval(watching);
    const [half, all] = [memory.slice(0, memory.length / 2), memory];
    rows.push([
      name,
      seconds.toFixed(1),
      Math.round(ROWS / seconds).toLocaleString('en'),
      `${changedCount} / ${unchangedCount} / ${errors.length}`,
      `${memory[0]?.toFixed(0)}, ${Math.max(...half).toFixed(0)}, ${Math.max(...all).toFixed(0)}`,
    ]);
  }
  return [
    'Wanted: at most 60 s, and memory that does not grow with the rows.',
    table(
      [
        'import',
        'seconds',
        'rows/s',
        'changed / unchanged / errors',
        'server MiB at first, most in the first half, most',
      ],
      rows,
    ),
  ].join('\n\n');
}

async function* chunks(units: (index: number) => bigint) {
  const requestId = randomUUID();
  for (let first = 1; first <= ROWS; first += CHUNK) {
    const rows = Array.from({ length: CHUNK }, (_, index) => ({
      sku: `S-${first + index}`,
      locationId: 'a',
      onHand: units(first + index),
      safety: 0n,
    }));
    yield { requestId, firstLine: BigInt(first), rows };
  }
}
