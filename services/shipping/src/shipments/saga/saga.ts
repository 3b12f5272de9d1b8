/**
 * A saga as its owner holds it, and the ways between its steps. README.md beside this file has the picture.
 */

import type { Allocation } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import type { Reason } from '@weft/runtime/errors/catalogue';

/** What a saga does. */
export type SagaKind = 'PLACE' | 'CANCEL';

/** A step that is still to be done. */
export type Step = 'RESERVE' | 'ACCEPT' | 'CONFIRM' | 'UNDO_ACCEPT' | 'UNDO_RESERVE' | 'RELEASE' | 'VOID';

/** Why a saga failed, as its caller is told. */
export type Failure = {
  readonly reason: Reason;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
};

/** A saga under its owner's lease. */
export type Saga = {
  readonly sagaId: string;
  readonly shipmentId: string;
  readonly kind: SagaKind;
  readonly step: Step;
  /** Guards every change: a later owner has a higher one. */
  readonly fencingToken: bigint;
  /** Tries of this step that failed for a passing reason. */
  readonly attempts: number;
  /** Whether the time for placing is over, so that a forward step must not be begun. */
  readonly overdue: boolean;
  /** Whether a reservation that nobody confirmed has expired for certain. */
  readonly holdOver: boolean;
  /** Why it is being undone, if it is. */
  readonly failure: Failure | undefined;
  readonly quoteId: string;
  readonly reservationId: string | undefined;
  readonly destinationCountryCode: string;
  readonly allocations: readonly Allocation[];
};

/** Steps after which the shipment is not placed yet: they can be turned back from. */
type ForwardStep = 'RESERVE' | 'ACCEPT' | 'CONFIRM';

/** Whether a step leads towards a placed shipment. */
export function isForward(step: Step): step is ForwardStep {
  return step === 'RESERVE' || step === 'ACCEPT' || step === 'CONFIRM';
}

/**
 * The first step of undoing.
 *
 * @param untouched whether the step at which it failed has had no effect for certain.
 */
export function undoFrom(step: ForwardStep, untouched: boolean): Step | 'DONE' {
  switch (step) {
    case 'RESERVE':
      return untouched ? 'DONE' : 'UNDO_RESERVE';
    case 'ACCEPT':
      return untouched ? 'UNDO_RESERVE' : 'UNDO_ACCEPT';
    case 'CONFIRM':
      return 'UNDO_ACCEPT';
  }
}

/** Whether a "no" at this step is the first answer that anyone got: only then is it certain that nothing was done. */
export function isFirstTry({ fencingToken, attempts }: Saga): boolean {
  return fencingToken === 1n && attempts === 0;
}
