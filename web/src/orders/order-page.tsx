/**
 * One order: where it stands, live, what it holds, and the way to the trace that placed it.
 */

import { type Shipment, ShipmentService, ShipmentState } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { type ReactNode, useState } from 'react';
import { newRequestId } from '../app/memory.ts';
import { Link, usePageTitle } from '../app/router.tsx';
import { PackageList } from '../checkout/offer-view.tsx';
import { formatInstant, formatTransit } from '../format/measures.ts';
import { formatMoney } from '../format/money.ts';
import { useQuery, useRpc, useWatch } from '../rpc/context.ts';
import { explain } from '../rpc/explain.ts';
import { idleTimeoutMsOf } from '../rpc/policy.ts';
import { placeIn } from '../rpc/watch.ts';
import { announce } from '../ui/announcer.tsx';
import { ErrorNotice, ExplanationNotice, Heading, Loading } from '../ui/notices.tsx';
import { traceOfOrder } from './order-traces.ts';
import { shortId } from './orders-page.tsx';
import { StateBadge } from './state-badge.tsx';
import { describeState, HAPPY_PATH, isCancellable } from './states.ts';

const COUNTRY_NAMES = new Intl.DisplayNames(undefined, { type: 'region' });

export function OrderPage({ id }: { id: string }) {
  usePageTitle(`Order ${shortId(id)}`);
  const rpc = useRpc();
  const [live, setLive] = useState<Shipment>();
  const query = useQuery(
    `order ${id}`,
    async (signal) => (await rpc.shipments.getShipment({ shipmentId: id }, { signal })).shipment,
  );
  useWatch(query.data === undefined ? '' : id, {
    open: (resumeToken, signal) => rpc.shipments.watchShipments({ resumeToken, shipmentId: id }, { signal }),
    placeOf: placeIn,
    onMessage: ({ event }) => {
      if (event.case === 'changed' && event.value.shipmentId === id) {
        const { value } = event;
        setLive((before) => {
          if (before !== undefined && before.state !== value.state) {
            announce(`The order is now: ${describeState(value.state).label}.`);
          }
          return value;
        });
      }
    },
    idleTimeoutMs: idleTimeoutMsOf(ShipmentService.method.watchShipments),
  });
  const order = live ?? query.data;
  const traceId = traceOfOrder(id);
  const heading = <Heading aside={order && <StateBadge state={order.state} />}>Order {shortId(id)}</Heading>;
  if (order === undefined) {
    return (
      <>
        {heading}
        {query.error === undefined ? (
          <Loading what="Fetching the order" />
        ) : (
          <ErrorNotice error={query.error} onRetry={query.reload} />
        )}
      </>
    );
  }
  return (
    <>
      {heading}
      <Progress order={order} />
      <div className="checkout">
        <div className="checkout-main">
          <section aria-labelledby="goods-title">
            <h2 id="goods-title">What is in it</h2>
            <ul className="plain-lines">
              {order.lines.map((line) => (
                <li key={line.sku}>
                  {String(line.quantity)} ×{' '}
                  <Link href={`/item/${encodeURIComponent(line.sku)}`}>{line.name || line.sku}</Link>
                </li>
              ))}
            </ul>
          </section>
          <section aria-labelledby="packages-title">
            <h2 id="packages-title">How it is packed</h2>
            <PackageList packages={order.packages} />
          </section>
        </div>
        <section className="summary" aria-labelledby="order-title">
          <h2 id="order-title">At a glance</h2>
          <dl className="facts">
            <Fact name="Total">
              <strong>{formatMoney(order.total)}</strong>
            </Fact>
            <Fact name="Goes to">
              <Destination address={order.destination} />
            </Fact>
            {order.rate !== undefined && (
              <Fact name="Sent with">
                {order.rate.name}, {formatTransit(order.rate.minTransitDays, order.rate.maxTransitDays)}
              </Fact>
            )}
            <Fact name="Placed">{formatInstant(order.createTime)}</Fact>
            <Fact name="Number">
              <code className="break">{order.shipmentId}</code>
            </Fact>
          </dl>
          {traceId !== undefined && (
            <p>
              <Link className="button" href={`/traces/${traceId}`}>
                See its trace
              </Link>
            </p>
          )}
          <Cancel order={order} onCancelled={setLive} />
        </section>
      </div>
    </>
  );
}

/** The steps of an order that goes well, or how it ended otherwise. */
function Progress({ order }: { order: Shipment }) {
  if (order.state === ShipmentState.FAILED) {
    const known = explain(undefined);
    return (
      <ExplanationNotice
        explanation={{
          ...known,
          message: order.failureMessage || 'The order could not be placed.',
          action: 'Everything that was done for it was undone; nothing is owed.',
          reason: order.failureReason,
        }}
      />
    );
  }
  if (order.state === ShipmentState.CANCELLED || order.state === ShipmentState.CANCELLING) {
    return (
      <p className="notice" role="status">
        {order.state === ShipmentState.CANCELLED
          ? 'This order was cancelled: its stock is given back and its offer is void.'
          : 'This order is being cancelled.'}
      </p>
    );
  }
  const reached = HAPPY_PATH.indexOf(order.state);
  return (
    <ol className="steps" aria-label="Progress">
      {HAPPY_PATH.map((state, index) => (
        <li key={state} data-reached={index <= reached} aria-current={index === reached ? 'step' : undefined}>
          {describeState(state).label}
        </li>
      ))}
    </ol>
  );
}

/** Cancels after asking once more. The request id stays the same until the outcome is known. */
function Cancel({ order, onCancelled }: { order: Shipment; onCancelled: (order: Shipment) => void }) {
  const rpc = useRpc();
  const [requestId, setRequestId] = useState(newRequestId);
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  if (!isCancellable(order.state)) {
    return null;
  }
  const cancel = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const { shipment } = await rpc.shipments.cancelShipment({ requestId, shipmentId: order.shipmentId });
      if (shipment !== undefined) {
        onCancelled(shipment);
      }
      announce('The order is cancelled.');
    } catch (failure) {
      setError(failure);
      if (!explain(failure).repeatable) {
        setRequestId(newRequestId());
      }
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="cancel">
      {error !== undefined && <ErrorNotice error={error} />}
      {asking ? (
        <p>
          <span>Cancel this order?</span>
          <button type="button" className="button button-danger" disabled={busy} onClick={() => void cancel()}>
            {busy ? 'Cancelling…' : 'Yes, cancel it'}
          </button>
          <button type="button" className="button button-quiet" disabled={busy} onClick={() => setAsking(false)}>
            Keep it
          </button>
        </p>
      ) : (
        <button type="button" className="button button-quiet" onClick={() => setAsking(true)}>
          Cancel order
        </button>
      )}
    </div>
  );
}

function Destination({ address }: { address: Shipment['destination'] }) {
  if (address === undefined) {
    return null;
  }
  const { recipient, lines, postalCode, city, regionCode, countryCode } = address;
  const country = countryCode === '' ? '' : (COUNTRY_NAMES.of(countryCode) ?? countryCode);
  return (
    <address>
      {[recipient, ...lines, `${postalCode} ${city}`.trim(), [regionCode, country].filter(Boolean).join(', ')]
        .filter((line) => line !== '')
        .map((line, index) => (
          <span key={`${line} ${String(index)}`}>{line}</span>
        ))}
    </address>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
