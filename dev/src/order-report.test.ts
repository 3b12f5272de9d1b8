import { create } from '@bufbuild/protobuf';
import { type Span, SpanKind, SpanSchema } from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import { QuoteSchema } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { ShipmentSchema } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { expect, test } from 'vitest';
import { grpcurlLines, hopTree, orderTable } from './order-report.ts';

function span(
  spanId: string,
  parentSpanId: string,
  serviceName: string,
  name: string,
  ms: number,
  fields: { kind?: SpanKind; failed?: boolean; attributes?: Record<string, string> } = {},
): Span {
  return create(SpanSchema, {
    kind: SpanKind.SERVER,
    ...fields,
    spanId,
    parentSpanId,
    serviceName,
    name,
    duration: { seconds: 0n, nanos: ms * 1e6 },
  });
}

test('hops are indented below their callers, and statements are counted where they ran', () => {
  const sql = { kind: SpanKind.CLIENT, attributes: { 'db.system': 'postgresql' } };
  const spans = [
    span('1', '', 'edge', 'weft.shipping.v1.ShipmentService/PlaceShipment', 41.26),
    span('2', '1', 'shipping', 'weft.shipping.v1.ShipmentService/PlaceShipment', 40),
    span('3', '2', 'shipping', 'saga', 30, { kind: SpanKind.INTERNAL }),
    span('4', '3', 'shipping', 'INSERT', 1.5, sql),
    span('5', '3', 'shipping-envoy', 'weft.inventory.v1.ReservationService/CreateReservation', 9, {
      kind: SpanKind.CLIENT,
      failed: true,
    }),
    span('6', '2', 'shipping', 'UPDATE', 2, sql),
  ];
  expect(
    hopTree(spans)
      .split('\n')
      .map((line) => line.trimEnd()),
  ).toEqual([
    '  edge  ShipmentService/PlaceShipment                                   41.3 ms',
    '    shipping  ShipmentService/PlaceShipment  (2 SQL, 3.5 ms)            40.0 ms',
    '      shipping-envoy  ReservationService/CreateReservation  FAILED       9.0 ms',
  ]);
});

test('a span whose parent has not arrived stands at the margin instead of being lost', () => {
  expect(hopTree([span('2', 'unknown', 'shipping', 'a/B', 1)])).toContain('  shipping  a/B');
  expect(hopTree([])).toBe('');
});

test('the order is a table that shows what adds up to the total', () => {
  const eur = (minorUnits: bigint) => ({ currencyCode: 'EUR', minorUnits });
  const quote = create(QuoteSchema, {
    lines: [{ sku: 'A', name: 'House Espresso', quantity: 2n, amount: { gross: eur(1780n) } }],
    shipping: { name: 'Alpenpost Standard', amount: { gross: eur(499n) } },
    taxes: [{ name: 'MwSt.', ratePpm: 70_000, net: eur(1664n), tax: eur(116n) }],
    total: eur(2279n),
  });
  const table = orderTable({
    quote,
    shipment: create(ShipmentSchema, { shipmentId: 'id-1' }),
    rate: undefined,
    traceId: '',
    prepareMs: 1,
    placeMs: 1,
    spans: [],
  });
  expect(table.split('\n')).toEqual([
    '  Order id-1',
    '    2  House Espresso                         17.80 EUR',
    '       Alpenpost Standard                      4.99 EUR',
    '         MwSt. 7 % of 16.64 EUR, included    (1.16 EUR)',
    expect.stringMatching(/^ {2}─+$/),
    '       To pay                                 22.79 EUR',
  ]);
});

test('grpcurl lines name the edge, the token and the order', () => {
  const lines = grpcurlLines('http://127.0.0.1:8080', 'tok', 'id-1');
  expect(lines).toContain('grpcurl -plaintext 127.0.0.1:8080 list');
  expect(lines).toContain(`-H 'authorization: Bearer tok' -d '{"shipment_id": "id-1"}' 127.0.0.1:8080`);
});
