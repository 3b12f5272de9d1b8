/** Places one real order through the edge, as a customer with a token would, and fetches the trace that it has left. */
import { randomUUID } from 'node:crypto';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { MeshService, type Span } from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import type { Quote } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { CheckoutService } from '@weft/gen/weft/shipping/v1/checkout_service_pb.js';
import type { Rate } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { type Shipment, ShipmentService, ShipmentState } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { describeCallError, type EdgeClient, edgeClient } from './edge-client.ts';
import { Failure } from './failure.ts';
import type { Mesh } from './mesh.ts';

/** Some of what the sample shop always has at every warehouse (dev/sample/README.md). */
const basket = [
  { sku: 'COF-HOUSE-ESPRESSO-250', quantity: 2n },
  { sku: 'KIT-CHEF-KNIFE-20', quantity: 1n },
  { sku: 'BOK-PICT-OWL-MOON', quantity: 3n },
];

const destination = {
  recipient: 'Ada Beispiel',
  lines: ['Torstraße 1'],
  city: 'Berlin',
  regionCode: '',
  postalCode: '10119',
  countryCode: 'DE',
};

/** Longest wait for the spans of the order, in ms. */
const traceWaitMs = 8000;
/** The edge's word on which trace a call belongs to. */
const traceHeader = 'x-weft-trace-id';

export interface PlacedOrder {
  shipment: Shipment;
  quote: Quote;
  rate: Rate | undefined;
  /** Of PlaceShipment: 32 hexadecimal digits. */
  traceId: string;
  /** From before PrepareCheckout until PlaceShipment's answer, in ms. */
  prepareMs: number;
  placeMs: number;
  /** Empty when the trace did not arrive in time. */
  spans: Span[];
}

/** Places the order and waits for its trace. Throws Failure with the RPC's words. */
export async function placeOrder(
  mesh: Pick<Mesh, 'edgeUrl' | 'stateFolder'>,
  customer: { subject: string; token: string },
): Promise<PlacedOrder> {
  const client = edgeClient(mesh.edgeUrl, customer.token);
  try {
    const started = performance.now();
    const offer = await client.of(CheckoutService).prepareCheckout({
      requestId: randomUUID(),
      lines: basket,
      destination,
      currencyCode: 'EUR',
    });
    const prepared = performance.now();
    const { quote } = offer;
    if (quote?.total === undefined) throw new Error('PrepareCheckout answered without a quote');
    let traceId = '';
    const placed = await client.of(ShipmentService).placeShipment(
      {
        requestId: randomUUID(),
        quoteId: quote.quoteId,
        lines: basket,
        destination,
        rateId: offer.rateId,
        expectedTotal: quote.total,
      },
      {
        onHeader: (header) => {
          traceId = header.get(traceHeader) ?? '';
        },
      },
    );
    const answered = performance.now();
    const { shipment } = placed;
    if (shipment?.state !== ShipmentState.CONFIRMED) {
      throw new Error(`PlaceShipment answered with a shipment that is ${ShipmentState[shipment?.state ?? 0]}`);
    }
    return {
      shipment,
      quote,
      rate: offer.rates.find((rate) => rate.rateId === offer.rateId),
      traceId,
      prepareMs: prepared - started,
      placeMs: answered - prepared,
      spans: await spansOf(client, traceId),
    };
  } catch (cause) {
    throw new Failure('The order could not be placed', {
      why: describeCallError(cause),
      log: `${mesh.stateFolder}/logs`,
      remedy:
        'The mesh runs; read the logs of the service that refused. `npm start -- --reset` begins with full shelves.',
      cause,
    });
  } finally {
    client.close();
  }
}

async function spansOf(client: EdgeClient, traceId: string): Promise<Span[]> {
  if (traceId === '') return [];
  try {
    const { trace } = await client.of(MeshService).getTrace({ traceId, wait: durationFromMs(traceWaitMs) });
    return trace?.spans ?? [];
  } catch {
    // The order counts; that its trace is late is said where it would have been shown.
    return [];
  }
}
