// Servers come and go under load, and no caller notices.

import { promisify } from 'node:util';
import type { Client } from '@connectrpc/connect';
import { afterEach, expect, test } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import { closeEgress } from '../../src/client/egress.ts';
import { grpcClient } from '../../src/client/grpc.ts';
import type { RunningServer } from '../../src/server/serve.ts';
import { EchoService } from '../echo.ts';
import { serveEcho } from '../echo-server.ts';
import { startRelay } from './relay.ts';

const DRAINS = 50;
const CALLERS = 16;
const stops: (() => unknown)[] = [];

afterEach(async () => {
  closeEgress();
  for (const stop of stops.splice(0).reverse()) {
    await stop();
  }
});

function start(): Promise<RunningServer> {
  return serveEcho(
    {
      // Some calls are still running when the drain begins.
      async echo({ text, count }) {
        await new Promise((resolve) => setTimeout(resolve, count));
        return { text };
      },
    },
    { drain: { noticeMs: 5 } },
  );
}

type Echo = (request: { text: string; count: number }) => Promise<{ text: string }>;
const callers: [name: string, echoOf: (address: string) => Echo][] = [
  ['connect', (address) => connect(EchoService, { egress: address }).echo],
  ['connect, by the adapter', (address) => connect(EchoService, { egress: address, fastLane: false }).echo],
  [
    'connect, by streams',
    (address) => {
      const client = connect(EchoService, { egress: address });
      return async ({ text }) => {
        const answers = await Array.fromAsync(client.count({ text, count: 3 }));
        return { text: answers.length === 3 ? (answers[0]?.text ?? '') : `${answers.length} answers` };
      };
    },
  ],
  [
    'connect, in Connect with JSON',
    (address) => connect(EchoService, { egress: address, protocol: 'connect', format: 'json' }).echo,
  ],
  [
    'grpc-js',
    (address) => {
      const client = grpcClient(EchoService, address);
      stops.push(() => client.close());
      return promisify(client.echo.bind(client)) as unknown as Client<typeof EchoService>['echo'];
    },
  ],
];

test.each(callers)(`${DRAINS} drains fail no call of %s`, async (_name, echoOf) => {
  const relay = await startRelay();
  let current = await start();
  stops.push(
    () => current.close(),
    () => relay.close(),
  );
  relay.pointAt(current.address);

  const echo = echoOf(relay.address);
  const failures: unknown[] = [];
  let calls = 0;
  let isOver = false;
  const running = Array.from({ length: CALLERS }, async (_, caller) => {
    while (!isOver) {
      const text = `${caller}/${calls}`;
      await echo({ text, count: calls % 7 }).then(
        (answer) => answer.text === text || failures.push(answer),
        (error: unknown) => failures.push(error),
      );
      calls += 1;
    }
  });
  for (let n = 0; n < DRAINS; n += 1) {
    const before = calls;
    while (calls < before + CALLERS) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const next = await start();
    relay.pointAt(next.address);
    await current.drain();
    current = next;
  }
  isOver = true;
  await Promise.all(running);
  expect(failures).toEqual([]);
  expect(calls).toBeGreaterThan(DRAINS * CALLERS);
});
