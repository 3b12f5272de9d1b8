/**
 * Which trace placed which order: kept in this tab, since an order itself does not say.
 */

import { recall, remember } from '../app/memory.ts';

const KEY = 'weft.order-traces';
const MOST = 50;

/** Remembers the trace of an order; the oldest is forgotten. */
export function rememberTrace(shipmentId: string, traceId: string): void {
  const others = Object.entries(read()).filter(([id]) => id !== shipmentId);
  remember(sessionStorage, KEY, Object.fromEntries([...others, [shipmentId, traceId]].slice(-MOST)));
}

/** The trace of an order that was placed in this tab. */
export function traceOfOrder(shipmentId: string): string | undefined {
  return read()[shipmentId];
}

function read(): Record<string, string> {
  return recall(sessionStorage, KEY, isTexts) ?? {};
}

function isTexts(value: unknown): value is Record<string, string> {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((text) => typeof text === 'string' && /^[0-9a-f]{32}$/.test(text))
  );
}
