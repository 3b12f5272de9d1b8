/**
 * Asks for the offer: what everything costs, how it is packed and carried. It is asked for again when anything that it depends on
 * changes, and when it ends.
 */

import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { PrepareCheckoutResponse } from '@weft/gen/weft/shipping/v1/checkout_service_pb.js';
import { useEffect, useState } from 'react';
import { newRequestId } from '../app/memory.ts';
import { type Query, useQuery, useRpc } from '../rpc/context.ts';
import { useSession } from '../session/session.ts';
import type { BasketLine } from '../shop/basket.ts';
import { type AddressForm, toAddress } from './address.ts';

/** Typing and clicking rest this long before the offer is asked for. */
const SETTLE_MS = 350;

/** A carrier's service, as chosen. */
export type ChosenService = { readonly carrierId: string; readonly serviceId: string };

/** What the offer depends on. */
export type OfferInput = {
  readonly lines: readonly BasketLine[];
  /** Complete and checked. */
  readonly address: AddressForm;
  readonly currencyCode: string;
  /** Nothing takes the cheapest. */
  readonly service: ChosenService | undefined;
};

/** The offer, with what it was asked for. */
export type Offer = { readonly input: OfferInput; readonly response: PrepareCheckoutResponse };

/** The offer for an input; nothing is asked while there is none. `settling` says that a newer one is on its way. */
export function useOffer(input: OfferInput | undefined): Query<Offer> & { readonly settling: boolean } {
  const rpc = useRpc();
  const { token } = useSession();
  // An offer is for whom it was made: signing in asks for a new one.
  const wanted = input === undefined ? '' : JSON.stringify({ ...input, customer: token?.subject });
  const [settled, setSettled] = useState(wanted);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(wanted), wanted === '' ? 0 : SETTLE_MS);
    return () => clearTimeout(timer);
  }, [wanted]);
  const query = useQuery(settled === wanted ? wanted : settled, async (signal) => {
    const asked = input as OfferInput;
    const response = await rpc.checkout.prepareCheckout(
      {
        requestId: newRequestId(),
        lines: asked.lines.map(({ sku, quantity }) => ({ sku, quantity: BigInt(quantity) })),
        destination: toAddress(asked.address),
        currencyCode: asked.currencyCode,
        ...asked.service,
      },
      { signal },
    );
    return { input: asked, response };
  });

  const { reload } = query;
  const endsAt = query.data?.response.expireTime;
  useEffect(() => {
    if (endsAt === undefined) {
      return;
    }
    const timer = setTimeout(reload, Math.max(1_000, timestampMs(endsAt) - Date.now()));
    return () => clearTimeout(timer);
  }, [endsAt, reload]);
  return { ...query, settling: settled !== wanted || query.loading };
}
