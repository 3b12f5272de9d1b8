/**
 * The services that the edge exposes: what reflection and health show to those outside. A test holds the list against the
 * policy table.
 */

import type { DescService } from '@bufbuild/protobuf';
import { MeshService } from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import { AvailabilityService } from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { LocationService } from '@weft/gen/weft/inventory/v1/location_service_pb.js';
import { ReservationService } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { StockService } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { PriceService } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import { QuoteService } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import { TaxService } from '@weft/gen/weft/pricing/v1/tax_service_pb.js';
import { CheckoutService } from '@weft/gen/weft/shipping/v1/checkout_service_pb.js';
import { RateService } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { ShipmentService } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';

/** Every service with an RPC that the edge routes, by workload and name. Their internal RPCs can be described, not called. */
export const exposedServices: readonly DescService[] = [
  MeshService,
  AvailabilityService,
  ItemService,
  LocationService,
  ReservationService,
  StockService,
  PriceService,
  QuoteService,
  TaxService,
  CheckoutService,
  RateService,
  ShipmentService,
];
