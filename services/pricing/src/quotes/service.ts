/**
 * QuoteService: what its RPCs are made of.
 */

import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  AcceptQuoteResponseSchema,
  type CreateQuoteRequest,
  CreateQuoteResponseSchema,
  type Quote,
  QuoteService,
  QuoteState,
  VoidQuoteResponseSchema,
} from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { AddressSchema } from '@weft/gen/weft/type/v1/address_pb.js';
import { mutate } from '@weft/runtime/data/mutation';
import type { Sql } from '@weft/runtime/data/pool';
import { requireCurrency } from '../currency.ts';
import type { Database } from '../database.ts';
import { findItems, type Inventory, type QuotedItem } from '../items/find.ts';
import { quantitiesBySku } from '../prices/resolve.ts';
import { readBook } from './book.ts';
import { customerOf } from './caller.ts';
import { composeQuote } from './compose.ts';
import { acceptQuote, insertQuote, readQuote, voidQuote } from './store.ts';

const { method } = QuoteService;

/** How long a quote binds, in milliseconds. */
const VALID_MS = 30 * 60 * 1_000;

/** Makes the service on a database, and on inventory for items that the copy does not have. */
export function quoteService({ pool, sql }: Database, inventory: Inventory): ServiceImpl<typeof QuoteService> {
  return {
    async createQuote(request) {
      requireCurrency(request.currencyCode);
      const customerId = customerOf(request);
      const skus = [...quantitiesBySku(request.lines).keys()];
      // Not within the transaction, which must not wait for another service. That it failed matters to a new request
      // only: one that is repeated gets its first response.
      const [found] = await Promise.allSettled([findItems(sql, inventory, skus)]);
      return mutate(pool, method.createQuote, request, async (tx) => {
        if (found.status === 'rejected') {
          throw found.reason;
        }
        return create(CreateQuoteResponseSchema, { quote: await makeQuote(tx, request, customerId, found.value) });
      });
    },

    async getQuote({ quoteId }) {
      return { quote: await readQuote(sql, quoteId) };
    },

    acceptQuote: (request) =>
      mutate(pool, method.acceptQuote, request, async (tx) =>
        create(AcceptQuoteResponseSchema, { quote: await acceptQuote(tx, request.quoteId, request.reference) }),
      ),

    voidQuote: (request) =>
      mutate(pool, method.voidQuote, request, async (tx) =>
        create(VoidQuoteResponseSchema, { quote: await voidQuote(tx, request.quoteId, request.reference) }),
      ),
  };
}

async function makeQuote(
  tx: Sql,
  request: CreateQuoteRequest,
  customerId: string,
  items: ReadonlyMap<string, QuotedItem>,
): Promise<Quote> {
  const { currencyCode, shippingCharge: shipping, destination = create(AddressSchema) } = request;
  const quantities = quantitiesBySku(request.lines);
  const { asOf, revision, prices, taxes } = await readBook(tx, quantities, currencyCode, destination);
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
