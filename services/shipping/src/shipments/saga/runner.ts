/**
 * Works on sagas: those that a call of this process began, at once, and those that a pause or a dead process left, as they
 * become due. The work is nobody's call: it goes on when the caller leaves.
 */

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ShipmentState } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { every, type Running } from '@weft/runtime/data/jobs';
import { reasonOf, retryAfterMsOf } from '@weft/runtime/errors/fail';
import { log } from '@weft/runtime/log';
import { detached } from '@weft/runtime/server/call';
import type { Pool } from 'pg';
import { failedWithoutReservation, handBack, type Lease, LeaseLost, moveOn, putOff } from './ledger.ts';
import { abandoned, failureOf, isRefusal } from './refusal.ts';
import { type Failure, isFirstTry, isForward, type Saga, undoFrom } from './saga.ts';
import { carryOut, type Next, release, type Upstream } from './steps.ts';
import { readBegun, takeDue } from './take.ts';
import { pauseMs, SAGA_TIMES, type SagaTimes } from './times.ts';

/** What a runner leans on. */
export type SagaRunnerParts = {
  readonly pool: Pool;
  readonly upstream: Upstream;
  readonly times?: SagaTimes;
};

/** Sagas that one process takes up in the background at once. */
const ACTIVE_MAX = 16;
/** How long a stop waits for steps that are at work: as long as their requests may take. */
const STOP_MAX_MS = 4_000;

/** Works on sagas until it is stopped. */
export class SagaRunner {
  readonly times: SagaTimes;
  /** This process, as the leases name it. */
  readonly lease: Lease;
  readonly #pool: Pool;
  readonly #upstream: Upstream;
  readonly #active = new Set<Promise<void>>();
  #sweep: Running | undefined;
  #stopping = false;

  constructor({ pool, upstream, times = SAGA_TIMES }: SagaRunnerParts) {
    this.#pool = pool;
    this.#upstream = upstream;
    this.times = times;
    this.lease = { owner: randomUUID(), leaseMs: times.leaseMs };
  }

  /** Begins to look for work that is due. */
  start(): void {
    this.#sweep ??= every(this.times.sweepMs, 'taking up sagas', () => this.#takeUp());
  }

  /** Lets the steps at work end, and hands everything else back, for another process to go on with. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#sweep?.stop();
    const timer = new AbortController();
    await Promise.race([
      Promise.all(this.#active),
      delay(STOP_MAX_MS, undefined, { signal: timer.signal }).catch(() => {}),
    ]);
    timer.abort();
  }

  /** Works on a saga that this process has just begun; resolves when there is nothing more to do for now, and never rejects. */
  run(sagaId: string): Promise<void> {
    return this.#track(async () => {
      const saga = await readBegun(this.#pool, sagaId, this.times);
      if (saga !== undefined) {
        await this.#drive(saga);
      }
    });
  }

  async #takeUp(): Promise<void> {
    const room = ACTIVE_MAX - this.#active.size;
    if (room <= 0 || this.#stopping) {
      return;
    }
    for (const saga of await takeDue(this.#pool, this.lease, this.times, room)) {
      void this.#track(() => this.#drive(saga));
    }
  }

  /** Runs work apart from any call, and remembers it until it ends. */
  #track(work: () => Promise<void>): Promise<void> {
    const running: Promise<void> = detached(work)
      .catch((error: unknown) => {
        // Its lease runs out, and the sweep takes it up again.
        log.warn('work on a saga was interrupted', { error });
      })
      .finally(() => this.#active.delete(running));
    this.#active.add(running);
    return running;
  }

  /** Goes from step to step until the saga is done, put off, or another's. */
  async #drive(first: Saga): Promise<void> {
    let saga: Saga | undefined = first;
    try {
      while (saga !== undefined) {
        if (this.#stopping) {
          await handBack(this.#pool, saga);
          return;
        }
        saga = await this.#step(saga);
      }
    } catch (error) {
      if (!(error instanceof LeaseLost)) {
        throw error;
      }
      log.info('a saga was taken over', { shipment_id: first.shipmentId });
    }
  }

  /** One step; gives the saga as it is then, or undefined when there is nothing more to do for now. */
  async #step(saga: Saga): Promise<Saga | undefined> {
    if (isForward(saga.step) && saga.overdue) {
      return await this.#turnBack(saga, abandoned('It could not be placed in time.'));
    }
    let next: Next;
    try {
      next = await carryOut(saga, this.#upstream, this.times.holdMs);
    } catch (error) {
      return await this.#afterFailure(saga, error);
    }
    try {
      return await this.#moveOn(saga, next);
    } catch (error) {
      if (error instanceof LeaseLost && next.reservationId !== undefined) {
        await this.#releaseStray(saga, next.reservationId);
      }
      throw error;
    }
  }

  async #moveOn(saga: Saga, next: Next, failure: Failure | undefined = saga.failure): Promise<Saga | undefined> {
    await moveOn(this.#pool, saga, next, this.lease, failure);
    if (next.to === 'DONE') {
      return undefined;
    }
    return {
      ...saga,
      step: next.to,
      attempts: 0,
      failure,
      reservationId: next.reservationId ?? saga.reservationId,
    };
  }

  async #afterFailure(saga: Saga, error: unknown): Promise<Saga | undefined> {
    const facts = { shipment_id: saga.shipmentId, step: saga.step, attempts: saga.attempts, reason: reasonOf(error) };
    if (isRefusal(error) && isForward(saga.step)) {
      log.info('a shipment is refused', facts);
      return await this.#turnBack(saga, failureOf(error), isFirstTry(saga));
    }
    if (isRefusal(error) && saga.step === 'RELEASE') {
      log.info('a shipment cannot be cancelled', facts);
      const message = 'Its goods have left.';
      return await this.#moveOn(
        saga,
        { to: 'DONE', state: ShipmentState.CONFIRMED },
        { reason: 'SHIPMENT_STATE', message, metadata: { state: ShipmentState[ShipmentState.CONFIRMED] } },
      );
    }
    log.warn('a step of a saga failed and will be tried again', { ...facts, error });
    const pause = pauseMs(this.times, saga.attempts, retryAfterMsOf(error));
    const bounded = isForward(saga.step);
    if (!(await putOff(this.#pool, saga, pause, bounded)) && bounded) {
      return await this.#turnBack(saga, abandoned('It could not be placed in time.', reasonOf(error)));
    }
    return undefined;
  }

  /** Begins to undo; `untouched` says that the step which failed has had no effect for certain. */
  async #turnBack(saga: Saga, failure: Failure, untouched = false): Promise<Saga | undefined> {
    if (!isForward(saga.step)) {
      throw new Error(`${saga.step} cannot be turned back from`);
    }
    const to = undoFrom(saga.step, untouched);
    return await this.#moveOn(saga, to === 'DONE' ? { to, state: ShipmentState.FAILED } : { to }, failure);
  }

  /** A reservation that only this process knows of, made after its successor had given the shipment up. */
  async #releaseStray(saga: Saga, reservationId: string): Promise<void> {
    if (await failedWithoutReservation(this.#pool, saga.shipmentId)) {
      await release(saga, this.#upstream, reservationId);
    }
  }
}
