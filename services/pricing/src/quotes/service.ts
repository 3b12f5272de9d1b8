/**
 * QuoteService.
 */

import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { Client, ServiceImpl } from '@connectrpc/connect';
import type { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import {
  AcceptQuoteResponseSchema,
  type CreateQuoteRequest,
  CreateQuoteResponseSchema,
  GetQuoteResponseSchema,
  QuoteService,
  QuoteState,
  VoidQuoteResponseSchema,
} from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { AddressSchema } from '@weft/gen/weft/type/v1/address_pb.js';
import { mutate } from '@weft/runtime/data/mutation';
import type { Sql } from '@weft/runtime/data/pool';
import { fail } from '@weft/runtime/errors/fail';
import { currentCall } from '@weft/runtime/server/call';
import type { Pool } from 'pg';
import { requireCurrency } from '../currency.ts';
import { lookUpItems, type QuotedItem } from '../items/lookup.ts';
import { quantitiesBySku, resolvePrices } from '../prices/resolve.ts';
import { readTaxTable } from '../taxes/table.ts';
import { composeQuote } from './compose.ts';
import { acceptQuote, insertQuote, readQuote, voidQuote } from './store.ts';

/** The workload that may put a charge and a customer on a quote: it issued the one and knows the other. */
const SHIPPING = 'shipping';
/** How long a quote binds, in milliseconds. */
const VALID_MS = 30 * 60 * 1_000;

/** Implements QuoteService on pricing's database. */
export function quoteService(pool: Pool, items: Client<typeof ItemService>): ServiceImpl<typeof QuoteService> {
  return {
    async createQuote(request) {
      requireCurrency(request.currencyCode);
      const customerId = customerOf(request);
      const skus = [...quantitiesBySku(request.lines).keys()];
      // No call to another service within the transaction. Why it failed matters only if the request is a new one.
      const found = await lookUpItems(pool, items, skus).catch((error: unknown) => ({ error }));
      return mutate(pool, QuoteService.method.createQuote, request, async (tx) => {
        if ('error' in found) {
          throw found.error;
        }
        return create(CreateQuoteResponseSchema, { quote: await makeQuote(tx, request, customerId, found) });
      });
    },

    async getQuote({ quoteId }) {
      return create(GetQuoteResponseSchema, { quote: await readQuote(pool, quoteId) });
    },

    acceptQuote(request) {
      return mutate(pool, QuoteService.method.acceptQuote, request, async (tx) =>
        create(AcceptQuoteResponseSchema, { quote: await acceptQuote(tx, request.quoteId, request.reference) }),
      );
    },

    voidQuote(request) {
      return mutate(pool, QuoteService.method.voidQuote, request, async (tx) =>
        create(VoidQuoteResponseSchema, { quote: await voidQuote(tx, request.quoteId, request.reference) }),
      );
    },
  };
}

async function makeQuote(
  tx: Sql,
  request: CreateQuoteRequest,
  customerId: string,
  items: ReadonlyMap<string, QuotedItem>,
) {
  const { currencyCode, shippingCharge: shipping } = request;
  const destination = request.destination ?? create(AddressSchema);
  const quantities = quantitiesBySku(request.lines);
  const revision = await currentRevision(tx);
  const { prices, asOf } = await resolvePrices(tx, quantities, currencyCode);
  const taxes = await readTaxTable(tx, destination, asOf);
  const quote = composeQuote({ quantities, currencyCode, items, prices, taxes, shipping });
  const expireTime = new Date(asOf.getTime() + VALID_MS);
  quote.quoteId = randomUUID();
  quote.state = QuoteState.OPEN;
  quote.destination = destination;
  quote.customerId = customerId;
  quote.priceBookRevision = revision;
  quote.createTime = timestampFromDate(asOf);
  quote.expireTime = timestampFromDate(expireTime);
  await insertQuote(tx, quote, expireTime);
  return quote;
}

/** The revision that this quote is made from. Shared, so that no price changes between reading it and the prices. */
async function currentRevision(tx: Sql): Promise<bigint> {
  const { rows } = await tx.query<{ revision: bigint }>({
    name: 'price_book_revision',
    text: 'SELECT revision FROM price_book FOR KEY SHARE',
  });
  return rows[0]?.revision ?? 0n;
}

/**
 * Whom the quote is for. A stranger says neither that nor what shipping costs.
 *
 * @throws SHIPPING_CHARGE_FORBIDDEN
 */
function customerOf(request: CreateQuoteRequest): string {
  const caller = currentCall()?.caller;
  if (caller?.workload === SHIPPING) {
    return request.customerId;
  }
  if (request.shippingCharge !== undefined || request.customerId !== '') {
    throw fail('SHIPPING_CHARGE_FORBIDDEN');
  }
  return caller?.subject ?? '';
}
