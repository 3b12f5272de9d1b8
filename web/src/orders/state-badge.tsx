/** An order's state as a badge. */

import type { ShipmentState } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { describeState } from './states.ts';

export function StateBadge({ state }: { state: ShipmentState }) {
  const { label, tone } = describeState(state);
  return (
    <span className="badge" data-tone={tone}>
      {label}
    </span>
  );
}
