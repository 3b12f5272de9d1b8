// Servers whose connections are not to be trusted, and answers that are mixed: each call gets its own, or an error.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clients, GRPC, OK, outcome, server, useClients, wellBehaved, whole } from './called.ts';
import { type Asked, FrameServer } from './frame-server.ts';
import { frame } from './frames.ts';
import './patience.ts';
import { tries } from './subject.ts';

useClients();

const bytes = fc.uint8Array({ maxLength: 100 });

describe('a connection', () => {
  const greeted = async (greet: FrameServer['greet']) => {
    server.cut();
    server.greet = greet;
    server.answer = wellBehaved;
    for (const client of Object.values(clients.grpc)) {
      await outcome(client, 300);
    }
  };

  test('of any bytes', () =>
    fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), (garbage) =>
        greeted((write, cut) => {
          write(garbage);
          setImmediate(cut);
          return false;
        }),
      ),
      tries(0.3),
    ));

  test('of any frames', () => {
    const frames = fc
      .array(
        fc
          .tuple(
            fc.integer({ min: 0, max: 12 }),
            fc.integer({ min: 0, max: 255 }),
            fc.integer({ min: 0, max: 6 }),
            bytes,
          )
          .map(([type, flags, id, payload]) => frame(type, flags, id, payload)),
        { maxLength: 10 },
      )
      .map((all) => Buffer.concat(all));
    return fc.assert(
      fc.asyncProperty(frames, (all) =>
        greeted((write) => {
          FrameServer.polite(write);
          write(all);
          return true;
        }),
      ),
      tries(0.5),
    );
  });

  test.each([
    ['HTTP/1.1', (write: (some: Uint8Array) => void) => write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))],
    ['silence', () => {}],
    ['an end', (_write: (some: Uint8Array) => void, cut: () => void) => cut()],
  ])('of %s', async (_name, greet) => {
    await greeted((write, cut) => {
      greet(write, cut);
      return false;
    });
  });
});

test('calls of one connection get each its own answer, in whatever order and pieces they come', () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.nat(), { minLength: 30, maxLength: 30 }), async (order) => {
      const count = 12;
      const waiting: Asked[] = [];
      server.answer = (one) => {
        waiting.push(one);
        if (waiting.length < count) {
          return;
        }
        // Frames of all answers, each in its own order, mixed.
        const rest = waiting.splice(0).map((each) => {
          const body = whole(each);
          return [
            () => each.headers(GRPC),
            () => each.data(body.subarray(0, 7)),
            () => each.data(body.subarray(7)),
            () => each.headers(OK, true),
          ];
        });
        for (let step = 0; rest.length > 0; step += 1) {
          const at = (order[step % order.length] ?? 0) % rest.length;
          rest[at]?.shift()?.();
          if (rest[at]?.length === 0) {
            rest.splice(at, 1);
          }
        }
      };
      const answers = await Promise.all(Array.from({ length: count }, () => outcome(clients.grpc.fast)));
      expect(answers).toEqual(answers.map(() => 'its own'));
    }),
    tries(0.3),
  ));
