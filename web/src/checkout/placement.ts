/**
 * Places an order once. The request is written down in this tab before it is sent, with its request id, and stays until its
 * outcome is known: a second click, a retry after a broken connection and a reload of the page all send the same request, which the mesh
 * answers with the first response.
 */

import { fromJsonString, toJsonString } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import {
  type PlaceShipmentRequest,
  PlaceShipmentRequestSchema,
  type Shipment,
} from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { isTextRecord, recall, remember } from '../app/memory.ts';
import { createStore } from '../app/store.ts';
import { isUncertain } from '../rpc/explain.ts';
import { waitMs } from '../rpc/watch.ts';

const KEY = 'weft.placement';
const MOST_TRIES = 5;

/** The request whose outcome is not known, if there is one. */
export const pendingPlacement = createStore<PlaceShipmentRequest | undefined>(undefined);

/** Takes up what was pending when the page was closed. */
export function restorePlacement(): void {
  const kept = recall(sessionStorage, KEY, (value) => isTextRecord(value, ['request']));
  if (kept !== undefined) {
    try {
      pendingPlacement.set(fromJsonString(PlaceShipmentRequestSchema, kept.request));
    } catch {
      forgetPlacement();
    }
  }
}

/** Gives up finding out. */
export function forgetPlacement(): void {
  remember(sessionStorage, KEY, undefined);
  pendingPlacement.set(undefined);
}

/** What placing needs; tests bring their own. */
export type Placing = {
  /** Sends the request and gives the order and its trace. */
  readonly send: (request: PlaceShipmentRequest) => Promise<{ shipment: Shipment; traceId: string | undefined }>;
  readonly sleep?: (ms: number) => Promise<void>;
  readonly random?: () => number;
  /** Told before each try, from 1. */
  readonly onTry?: (number: number) => void;
};

/** Whether a request is under way right now. */
export const placementRunning = createStore(false);

let running: ReturnType<typeof tryUntilKnown> | undefined;

/**
 * Places an order; while one is being placed, gives that one's outcome instead of placing another.
 *
 * @throws the last error. When `pendingPlacement` still holds the request afterwards, nobody knows whether the order was placed:
 *   call again with that request.
 */
export function place(request: PlaceShipmentRequest, placing: Placing): ReturnType<typeof tryUntilKnown> {
  if (running === undefined) {
    placementRunning.set(true);
    running = tryUntilKnown(pendingPlacement.get() ?? request, placing).finally(() => {
      running = undefined;
      placementRunning.set(false);
    });
  }
  return running;
}

async function tryUntilKnown(request: PlaceShipmentRequest, placing: Placing) {
  const { send, sleep = delay, random = Math.random, onTry } = placing;
  let uncertain = pendingPlacement.get() !== undefined;
  remember(sessionStorage, KEY, { request: toJsonString(PlaceShipmentRequestSchema, request) });
  pendingPlacement.set(request);
  for (let number = 1; ; number += 1) {
    onTry?.(number);
    try {
      const placed = await send(request);
      forgetPlacement();
      return placed;
    } catch (error) {
      if (!isUncertain(error)) {
        // A refusal after an uncertain try says nothing of that one, unless the mesh itself looked at the request.
        if (!uncertain || !isRefusalOfCaller(error)) {
          forgetPlacement();
        }
        throw error;
      }
      uncertain = true;
      if (number === MOST_TRIES) {
        throw error;
      }
      await sleep(waitMs(number, random()));
    }
  }
}

/** Whether the edge turned the caller away before anybody looked at the request. */
function isRefusalOfCaller(error: unknown): boolean {
  return error instanceof ConnectError && (error.code === Code.Unauthenticated || error.code === Code.PermissionDenied);
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
