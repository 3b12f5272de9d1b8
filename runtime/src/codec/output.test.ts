// What is written into shared memory is what is read there, wherever in it a message begins and ends.

import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { EchoRequestSchema } from '../../test/echo.ts';
import { codecOf } from './codec.ts';

test('a message that asks for more room than it takes keeps its bytes', () => {
  const codec = codecOf(EchoRequestSchema);
  for (let length = 1_000; length < 4_200; length += 37) {
    const message = create(EchoRequestSchema, { text: 'x'.repeat(length), count: 7 });
    const wanted = Buffer.from(toBinary(EchoRequestSchema, message)).toString('latin1');
    for (let time = 0; time < 20; time += 1) {
      const bytes = codec.encode(message, 5).subarray(5);
      expect(Buffer.from(bytes).toString('latin1') === wanted, `${length} characters, time ${time}`).toBe(true);
    }
  }
});

test('so does a message in JSON, in any place of a slab', () => {
  const codec = codecOf(EchoRequestSchema);
  for (const unit of ['x', 'é', '"', '\ud83d\ude00']) {
    for (let length = 0; length < 5_000; length += 173) {
      const message = create(EchoRequestSchema, { text: unit.repeat(length), count: length });
      const wanted = toJsonString(EchoRequestSchema, message);
      for (let time = 0; time < 10; time += 1) {
        const text = Buffer.from(codec.encodeJson(message)).toString();
        expect(text === wanted, `${length} of ${unit}, time ${time}`).toBe(true);
      }
    }
  }
});
