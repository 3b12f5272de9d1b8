/**
 * The button that places the order, what stands in its way, and what became of it.
 */

import { create } from '@bufbuild/protobuf';
import { PlaceShipmentRequestSchema, ShipmentService } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { useRef, useState } from 'react';
import { newRequestId } from '../app/memory.ts';
import { Link, navigate } from '../app/router.tsx';
import { useStore } from '../app/store.ts';
import { formatMoney } from '../format/money.ts';
import { rememberTrace } from '../orders/order-traces.ts';
import { useRpc } from '../rpc/context.ts';
import { explain } from '../rpc/explain.ts';
import { scopesOf } from '../rpc/policy.ts';
import type { Rpc } from '../rpc/transport.ts';
import { TRACE_HEADER } from '../rpc/transport.ts';
import { useSession } from '../session/session.ts';
import { replaceBasket } from '../shop/basket.ts';
import { announce } from '../ui/announcer.tsx';
import { ErrorNotice, signInPath } from '../ui/notices.tsx';
import { toAddress } from './address.ts';
import type { Offer, OfferInput } from './offer.ts';
import { type Placing, pendingPlacement, place } from './placement.ts';

/** After these the offer is of no use any more. */
const OFFER_IS_STALE: ReadonlySet<string> = new Set([
  'QUOTE_NOT_FOUND',
  'QUOTE_EXPIRED',
  'QUOTE_MISMATCH',
  'QUOTE_STATE',
  'RATE_EXPIRED',
  'INSUFFICIENT_STOCK',
]);

export function PlaceOrder({
  offer,
  offerFailed,
  settling,
  renew,
}: {
  offer: Offer | undefined;
  /** The page says already why there is no offer. */
  offerFailed: boolean;
  settling: boolean;
  renew: () => void;
}) {
  const rpc = useRpc();
  const { token, expired } = useSession();
  const pending = useStore(pendingPlacement);
  const [tryNumber, setTryNumber] = useState(0);
  const [failure, setFailure] = useState<{ readonly error: unknown; readonly input: OfferInput }>();
  const clicked = useRef(false);
  const placing = tryNumber > 0;
  const quote = offer?.response.quote;
  // What went wrong with one order says nothing of the next.
  const isOver =
    failure === undefined || offerFailed || pending !== undefined || isAnother(failure.input, offer?.input);

  const submit = async () => {
    if (offer === undefined || quote?.total === undefined || clicked.current) {
      return;
    }
    clicked.current = true;
    setFailure(undefined);
    setTryNumber(1);
    const request = create(PlaceShipmentRequestSchema, {
      requestId: newRequestId(),
      quoteId: quote.quoteId,
      lines: offer.input.lines.map(({ sku, quantity }) => ({ sku, quantity: BigInt(quantity) })),
      destination: toAddress(offer.input.address),
      rateId: offer.response.rateId,
      expectedTotal: quote.total,
    });
    try {
      finish(await place(request, { send: sender(rpc), onTry: setTryNumber }));
    } catch (error) {
      setFailure({ error, input: offer.input });
      if (OFFER_IS_STALE.has(explain(error).reason)) {
        renew();
      }
    } finally {
      clicked.current = false;
      setTryNumber(0);
    }
  };

  const obstacle = whatIsMissing(token?.scopes, expired);
  return (
    <div className="place">
      {!isOver && <ErrorNotice error={failure.error} />}
      {obstacle === undefined ? (
        <button
          type="button"
          className="button button-primary"
          disabled={!placing && (quote === undefined || settling || pending !== undefined)}
          aria-busy={placing}
          onClick={() => void submit()}
        >
          {placing ? 'Placing the order…' : `Place order${quote?.total ? ` · ${formatMoney(quote.total)}` : ''}`}
        </button>
      ) : (
        <p className="place-obstacle">
          {obstacle} <Link href={signInPath()}>Sign in</Link>
        </p>
      )}
      <p className="quiet" role="status">
        {tryNumber > 1 && `No answer yet. Trying again with the same order (${tryNumber}); it is placed once.`}
      </p>
    </div>
  );
}

function isAnother(before: OfferInput, now: OfferInput | undefined): boolean {
  return now !== undefined && JSON.stringify(now) !== JSON.stringify(before);
}

/** Sends the request and takes the trace from the answer's header. */
export function sender(rpc: Rpc): Placing['send'] {
  return async (request) => {
    let traceId: string | undefined;
    const onHeader = (header: Headers) => {
      traceId = header.get(TRACE_HEADER) ?? undefined;
    };
    const { shipment } = await rpc.shipments.placeShipment(request, { onHeader });
    if (shipment === undefined) {
      throw new Error('The answer holds no order.');
    }
    return { shipment, traceId };
  };
}

/** Empties the basket and shows the order. */
export function finish({ shipment, traceId }: Awaited<ReturnType<Placing['send']>>): void {
  replaceBasket([]);
  if (traceId !== undefined) {
    rememberTrace(shipment.shipmentId, traceId);
  }
  announce('The order is placed.');
  navigate(`/orders/${shipment.shipmentId}`);
}

/** What keeps the visitor from ordering, by the contract's own scopes. */
function whatIsMissing(scopes: readonly string[] | undefined, expired: boolean): string | undefined {
  const needed = scopesOf(ShipmentService.method.placeShipment);
  if (scopes === undefined) {
    return 'Ordering needs someone who is signed in.';
  }
  if (expired) {
    return 'Your token has expired.';
  }
  return needed.some((scope) => scopes.includes(scope))
    ? undefined
    : `Your token lacks the scope ${needed.join(' or ')}.`;
}
