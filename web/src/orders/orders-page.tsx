/**
 * The customer's orders, newest first, with their states live.
 */

import { type Shipment, ShipmentService } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { useState } from 'react';
import { Link, navigate, usePageTitle } from '../app/router.tsx';
import { formatInstant } from '../format/measures.ts';
import { formatMoney } from '../format/money.ts';
import { useQuery, useRpc, useWatch } from '../rpc/context.ts';
import { idleTimeoutMsOf } from '../rpc/policy.ts';
import { placeIn } from '../rpc/watch.ts';
import { useSession } from '../session/session.ts';
import { Empty, ErrorNotice, Heading, Loading } from '../ui/notices.tsx';
import { StateBadge } from './state-badge.tsx';

const PAGE_SIZE = 50;

export function OrdersPage() {
  usePageTitle('Orders');
  const rpc = useRpc();
  const { token } = useSession();
  const [pageToken, setPageToken] = useState('');
  const query = useQuery(`orders ${token?.text} ${pageToken}`, (signal) =>
    rpc.shipments.listShipments({ pageSize: PAGE_SIZE, pageToken }, { signal }),
  );
  const [changes, setChanges] = useState<ReadonlyMap<string, Shipment>>(new Map());
  useWatch(token === undefined ? '' : 'orders', {
    open: (resumeToken, signal) => rpc.shipments.watchShipments({ resumeToken }, { signal }),
    placeOf: placeIn,
    onMessage: ({ event }) => {
      if (event.case === 'changed') {
        const { value } = event;
        setChanges((before) => new Map(before).set(value.shipmentId, value));
      }
    },
    onStartOver: () => setChanges(new Map()),
    idleTimeoutMs: idleTimeoutMsOf(ShipmentService.method.watchShipments),
  });
  const orders = withChanges(query.data?.shipments ?? [], changes, pageToken === '');

  return (
    <>
      <Heading>Orders</Heading>
      {query.error !== undefined && <ErrorNotice error={query.error} onRetry={query.reload} />}
      {query.loading && query.data === undefined && <Loading what="Fetching your orders" />}
      {query.data !== undefined && orders.length === 0 && (
        <Empty title="No orders yet.">
          <button type="button" className="button" onClick={() => navigate('/')}>
            Look around the shop
          </button>
        </Empty>
      )}
      {orders.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reached by the keyboard.
        <section className="table-scroll" tabIndex={0} aria-label="Orders, scrolls sideways">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Order</th>
                <th scope="col">Placed</th>
                <th scope="col">Goods</th>
                <th scope="col">To</th>
                <th scope="col" className="number">
                  Total
                </th>
                <th scope="col">State</th>
              </tr>
            </thead>
            <tbody>
              {orders.map((order) => (
                <tr key={order.shipmentId} data-order={order.shipmentId}>
                  <th scope="row">
                    <Link href={`/orders/${order.shipmentId}`} className="mono">
                      {shortId(order.shipmentId)}
                    </Link>
                  </th>
                  <td>{formatInstant(order.createTime)}</td>
                  <td>{goods(order)}</td>
                  <td>{[order.destination?.city, order.destination?.countryCode].filter(Boolean).join(', ')}</td>
                  <td className="number">{formatMoney(order.total)}</td>
                  <td>
                    <StateBadge state={order.state} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      {query.data !== undefined && (pageToken !== '' || query.data.nextPageToken !== '') && (
        <p className="more">
          {pageToken !== '' && (
            <button type="button" className="button button-quiet" onClick={() => setPageToken('')}>
              Newest orders
            </button>
          )}
          {query.data.nextPageToken !== '' && (
            <button
              type="button"
              className="button button-quiet"
              onClick={() => setPageToken(query.data?.nextPageToken ?? '')}
            >
              Older orders
            </button>
          )}
        </p>
      )}
    </>
  );
}

/** The listed orders as they are now; on the first page, with those placed since. */
export function withChanges(
  listed: readonly Shipment[],
  changes: ReadonlyMap<string, Shipment>,
  firstPage: boolean,
): readonly Shipment[] {
  const known = new Set(listed.map(({ shipmentId }) => shipmentId));
  const current = listed.map((order) => changes.get(order.shipmentId) ?? order);
  const newest = listed[0]?.shipmentId ?? '';
  // Ids are UUIDv7: later ones sort after earlier ones.
  const since = [...changes.values()].filter(({ shipmentId }) => !known.has(shipmentId) && shipmentId > newest);
  return firstPage ? [...since.sort((a, b) => (a.shipmentId < b.shipmentId ? 1 : -1)), ...current] : current;
}

/** The end of an id, which tells orders of one day apart. */
export function shortId(id: string): string {
  return id.slice(-8);
}

function goods(order: Shipment): string {
  const [first, ...others] = order.lines;
  if (first === undefined) {
    return '';
  }
  const name = `${String(first.quantity)} × ${first.name || first.sku}`;
  return others.length === 0 ? name : `${name} and ${others.length} more`;
}
