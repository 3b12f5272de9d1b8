// Answers that are cut off, at every byte and in every way: none is taken for a whole one.

import { create, toBinary } from '@bufbuild/protobuf';
import { encodeEnvelope } from '@connectrpc/connect/protocol';
import { describe, expect, test } from 'vitest';
import './patience.ts';
import { AnswerSchema } from '../lanes/contract.ts';
import { both, byGrpc, CONNECT, ENVELOPE_HEAD_BYTES, echoed, GRPC, useClients, whole } from './called.ts';
import type { Asked } from './frame-server.ts';
import { uint32 } from './frames.ts';

useClients();

describe('an answer cut off at every byte', () => {
  const length = encodeEnvelope(0, toBinary(AnswerSchema, create(AnswerSchema, { text: 'asked 1000' }))).length;

  test('and then its status', async () => {
    for (let end = 0; end < length - 3; end += 1) {
      const got = await both(
        'grpc',
        byGrpc((one) => whole(one).subarray(0, end)),
      );
      expect(got).not.toMatch(/^(its own|an answer)/);
    }
  });

  test.each([
    ['a reset', (one: Asked) => one.reset(2)],
    ['a reset that says no error', (one: Asked) => one.reset(0)],
    ['a reset that says cancelled', (one: Asked) => one.reset(8)],
    ['the end of the connection', (one: Asked) => one.cut()],
    ['an end without a status', (one: Asked) => one.data(new Uint8Array(), true)],
  ])('and then %s', async (_name, end) => {
    for (let cut = 0; cut <= length; cut += 1) {
      const got = await both('grpc', (one) => {
        one.headers(GRPC);
        one.data(whole(one).subarray(0, cut));
        end(one);
      });
      expect(got).not.toMatch(/^(its own|an answer)/);
    }
  });

  test.each([
    ['a reset', (one: Asked) => one.reset(2)],
    ['a reset that says cancelled', (one: Asked) => one.reset(8)],
    ['the end of the connection', (one: Asked) => one.cut()],
  ])('in Connect, and then %s', async (_name, end) => {
    for (let cut = 0; cut <= length - ENVELOPE_HEAD_BYTES; cut += 1) {
      const got = await both('connect', (one) => {
        one.headers(CONNECT);
        one.data(echoed(one, false).subarray(0, cut));
        end(one);
      });
      expect(got).not.toMatch(/^(its own|an answer)/);
    }
  });

  // Open: it is taken for an answer, and what is missing of it for fields that are not set.
  test.fails('in Connect, and then a reset that says no error', async () => {
    const got = await both('connect', (one) => {
      one.headers(CONNECT);
      one.data(new Uint8Array());
      one.reset(0);
    });
    expect(got).not.toMatch(/^(its own|an answer)/);
  });
});

test('every envelope of an answer', async () => {
  const lengths = [-1, 0, 1, 2 ** 31, 2 ** 32 - 1];
  for (const flags of [0, 1, 2, 3, 0x7f, 0x80, 0x81, 0xff]) {
    for (const extra of lengths) {
      const got = await both(
        'grpc',
        byGrpc((one) => {
          const bytes = echoed(one, true);
          const length = extra < 2 ? bytes.length + extra : extra;
          return Buffer.concat([Buffer.from([flags]), uint32(length), bytes]);
        }),
      );
      expect(got === 'its own', `flags ${flags}, ${extra}: ${got}`).toBe(extra === 0 && flags === 0);
    }
  }
});
