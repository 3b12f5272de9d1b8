/**
 * Serves the echo service for a test: what it does not care about behaves plainly.
 */

import type { ServiceImpl } from '@connectrpc/connect';
import { implement } from '../src/server/implement.ts';
import { type RunningServer, type ServeOptions, serve } from '../src/server/serve.ts';
import { EchoService, echoPolicy } from './echo.ts';

/** What each RPC does unless a test says otherwise: it gives back what it gets. */
export const plain: ServiceImpl<typeof EchoService> = {
  echo: ({ text, count }) => ({ text, count }),
  async *count({ text, count }) {
    for (let n = 1; n <= count; n += 1) {
      yield { text, count: n };
    }
  },
  async sum(requests) {
    let sum = 0;
    for await (const { count } of requests) {
      sum += count;
    }
    return { count: sum };
  },
  async *chat(requests) {
    for await (const { text } of requests) {
      yield { text };
    }
  },
};

/** Serves on a free port of the loopback, or where `options` say. */
export function serveEcho(
  implementation: Partial<ServiceImpl<typeof EchoService>> = {},
  options: Partial<ServeOptions> = {},
): Promise<RunningServer> {
  return serve({
    workload: 'echo',
    listen: '127.0.0.1:0',
    policy: echoPolicy,
    services: [implement(EchoService, { ...plain, ...implementation })],
    ...options,
  });
}
