/**
 * Sends exports to the collector over HTTP, one after the other on one kept connection, and tries again where OTLP says that
 * it helps (https://opentelemetry.io/docs/specs/otlp/#otlphttp-response): after 429, 502, 503, 504 and a broken connection.
 */

import * as http from 'node:http';
import * as https from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { context, createContextKey, ROOT_CONTEXT } from '@opentelemetry/api';
import type { OtlpSettings } from './settings.ts';

/** Sends one export; says why the collector did not take it, or undefined when it did. Never rejects. */
export type Post = (body: Uint8Array, signal: AbortSignal) => Promise<string | undefined>;

type Outcome = { readonly failure?: string; readonly isRetryable?: boolean; readonly retryAfterMs?: number };

const RETRYABLE: ReadonlySet<number | undefined> = new Set([429, 502, 503, 504]);
const ATTEMPTS_MAX = 5;
/** The wait before attempt n + 1 is BACKOFF_MS * 2 ** n, less up to half of it at random. */
const BACKOFF_MS = 1_000;
/** An export is no part of any trace; the key is the one that instrumentations of HTTP look at. */
const UNTRACED = ROOT_CONTEXT.setValue(createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING'), true);

/** How exports are sent under these settings. */
export function postTo({ url, headers, timeoutMs }: OtlpSettings): Post {
  const { request, Agent } = url.protocol === 'https:' ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const once = (body: Uint8Array, signal: AbortSignal): Promise<Outcome> =>
    new Promise((resolve) => {
      const length = { 'content-type': 'application/x-protobuf', 'content-length': body.length };
      const options = { method: 'POST', agent, signal, headers: { ...headers, ...length } };
      const broken = (error: Error): void => resolve({ failure: error.message, isRetryable: true });
      const sent = request(url, options, (response) => {
        const { statusCode = 0 } = response;
        response.on('error', broken).on('end', () => {
          const retryAfterMs = Number(response.headers['retry-after']) * 1_000;
          resolve(
            statusCode >= 200 && statusCode < 300
              ? {}
              : {
                  failure: `the collector answered ${statusCode}`,
                  isRetryable: RETRYABLE.has(statusCode),
                  ...(Number.isFinite(retryAfterMs) ? { retryAfterMs } : {}),
                },
          );
        });
        // What it says beyond the status is not looked at.
        response.resume();
      });
      sent.on('error', broken).end(body);
    });
  const send: Post = async (body, signal) => {
    const deadlineMs = performance.now() + timeoutMs;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    for (let attempt = 1; ; attempt++) {
      const { failure, isRetryable, retryAfterMs } = await once(body, limit);
      if (failure === undefined || isRetryable !== true || attempt === ATTEMPTS_MAX || limit.aborted) {
        return failure;
      }
      const waitMs = retryAfterMs ?? BACKOFF_MS * 2 ** (attempt - 1) * (1 - Math.random() / 2);
      if (performance.now() + waitMs >= deadlineMs) {
        return failure;
      }
      await delay(waitMs, undefined, { signal: limit, ref: false }).catch(() => {});
      if (limit.aborted) {
        return failure;
      }
    }
  };
  return (body, signal) => context.with(UNTRACED, () => send(body, signal));
}
