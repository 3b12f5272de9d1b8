// The process itself: it starts without inventory, serves on its socket, and leaves without losing a call.

import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { policies } from '@weft/gen/weft/policy.ts';
import { PriceService } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import { QuoteService } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { connect } from '@weft/runtime/client/connect';
import { expect, onTestFinished, test } from 'vitest';
import { requestId } from '../../../dev/src/testing/calls.ts';
import { startWorkload } from '../../../dev/src/testing/workload-process.ts';
import { testDatabase } from '../../../dev/src/testing.ts';
import { NOWHERE, outcomeOf } from './harness.ts';

test('serves on a socket that only its user may open, though inventory is away, and ends cleanly when told', async () => {
  const database = await testDatabase('pricing');
  onTestFinished(() => database.drop());
  const folder = await mkdtemp(join(tmpdir(), 'weft-pricing-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const socket = join(folder, 'app.sock');
  const { child, exited, lines } = startWorkload('pricing', {
    WEFT_LISTEN: `unix:${socket}`,
    WEFT_EGRESS: NOWHERE,
    DATABASE_URL: database.url,
  });
  await expect.poll(() => lines.map(({ message }) => message), { timeout: 20_000 }).toContain('listening');
  expect((await stat(socket)).mode & 0o777).toBe(0o600);
  const to = { egress: `unix:${socket}`, policy: policies };
  const quotes = connect(QuoteService, to);
  expect(await outcomeOf(quotes.getQuote({ quoteId: requestId() }))).toBe('QUOTE_NOT_FOUND');

  const stream = connect(PriceService, to).watchPrices({ skus: ['MUG'], currencyCode: 'EUR' });
  const messages = stream[Symbol.asyncIterator]();
  expect((await messages.next()).value?.event.case).toBe('bookmark');
  child.kill('SIGTERM');
  // Who watches is told to resume, elsewhere.
  expect(await outcomeOf(messages.next())).toBe('STREAM_ENDED');
  expect(await exited).toEqual([0, null]);
  expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
});

test.each([
  [{ WEFT_EGRESS: NOWHERE }, 'DATABASE_URL'],
  [{ DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' }, 'WEFT_EGRESS'],
])('with %o it says what is missing in its environment', async (given, missing) => {
  const { exited, lines } = startWorkload('pricing', { WEFT_LISTEN: '127.0.0.1:0', ...given });
  expect(await exited).toEqual([1, null]);
  expect(lines.at(-1)?.message).toContain(missing);
});
