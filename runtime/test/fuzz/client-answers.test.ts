// Servers that answer with anything: a client's call ends, with its own answer or an error, on either lane alike.

import { encodeEnvelope } from '@connectrpc/connect/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { both, byConnect, byGrpc, CONNECT, echoed, GRPC, OK, useClients, wellBehaved, whole } from './called.ts';
import type { Answerer } from './frame-server.ts';
import { FLAG, FRAME, frame, type Header, headerBlock, uint32 } from './frames.ts';
import './patience.ts';
import { tries } from './subject.ts';

useClients();

const bytes = fc.uint8Array({ maxLength: 100 });
const latin1 = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 30,
});
const status = fc.oneof(
  fc.constantFrom('0', '00', '-1', '1', '5', '16', '17', '999', '1e1', '0x5', ' 5', '', 'OK'),
  latin1,
);

describe('any', () => {
  test('bytes as an answer', () =>
    fc.assert(
      fc.asyncProperty(bytes, async (body) => {
        await both(
          'grpc',
          byGrpc(() => body),
        );
        await both(
          'grpc',
          byGrpc(() => encodeEnvelope(0, body)),
        );
        await both(
          'connect',
          byConnect(() => body),
        );
      }),
      tries(),
    ));

  test('JSON as an error of Connect', () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom('400', '404', '408', '429', '500', '503', '200', '302', '999', '100', 'x'),
        fc.oneof(
          fc.json().map((text) => Buffer.from(text)),
          fc
            .record({
              code: fc.oneof(fc.constantFrom('not_found', 'canceled', 'ok'), fc.anything()),
              message: fc.anything(),
              details: fc.anything(),
            })
            .map((value) =>
              Buffer.from(JSON.stringify(value, (_key, one) => (typeof one === 'bigint' ? String(one) : one))),
            ),
          bytes.map((body) => Buffer.from(body)),
        ),
        async (code, body) => {
          await both(
            'connect',
            byConnect(
              () => body,
              [
                [':status', code],
                ['content-type', 'application/json'],
              ],
            ),
            2_000,
          );
        },
      ),
      tries(),
    ));

  test('status, text and details', () =>
    fc.assert(
      fc.asyncProperty(status, latin1, latin1, fc.boolean(), async (code, text, details, isAlone) => {
        const told: Header[] = [
          ['grpc-status', code],
          ['grpc-message', text],
          ['grpc-status-details-bin', details],
        ];
        await both('grpc', isAlone ? (one) => one.headers([...GRPC, ...told], true) : byGrpc(whole, told), 500);
      }),
      tries(2),
    ));

  test('headers and trailers', () => {
    const name = fc.oneof(
      fc.constantFrom(
        ':status',
        ':path',
        'content-type',
        'content-length',
        'grpc-status',
        'grpc-encoding',
        'content-encoding',
        'trailer',
        'connection',
        'set-cookie',
        'x-a',
        'x-a-bin',
        '',
      ),
      latin1,
    );
    const some = fc.array(fc.tuple(name, latin1), { maxLength: 4 });
    return fc.assert(
      fc.asyncProperty(some, some, async (more, trailing) => {
        await both('grpc', byGrpc(whole, [...OK, ...trailing], [...GRPC, ...more]), 500);
        await both(
          'connect',
          byConnect((one) => echoed(one, false), [...CONNECT, ...more]),
          2_000,
        );
      }),
      tries(2),
    );
  });

  test('HTTP status and content type', () =>
    fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.constantFrom('200', '204', '205', '304'), fc.integer({ min: 100, max: 999 }).map(String)),
        fc.constantFrom(
          'application/grpc',
          'application/grpc+proto',
          'application/grpc+json',
          'application/grpc-web',
          'application/proto',
          'application/json',
          'text/html',
          '',
          'application/connect+proto',
        ),
        async (code, type) => {
          const headers: Header[] = [
            [':status', code],
            ['content-type', type],
          ];
          await both('grpc', byGrpc(whole, OK, headers), 500);
          await both(
            'connect',
            byConnect((one) => echoed(one, false), headers),
            2_000,
          );
        },
      ),
      tries(),
    ));
});

// gRPC has such a text taken as it is.
test('a text that is no percent-encoding leaves its status alone', async () => {
  expect(
    await both(
      'grpc',
      byGrpc(whole, [
        ['grpc-status', '5'],
        ['grpc-message', '100%'],
      ]),
    ),
  ).toBe('NotFound');
});

/** Ways to answer that HTTP/2 or gRPC forbid. */
const ODD: readonly (readonly [string, Answerer])[] = [
  ['no answer', () => {}],
  [
    'a body before its headers',
    (one) => {
      one.data(whole(one));
      one.headers(GRPC);
      one.headers(OK, true);
    },
  ],
  [
    'a status, and a body behind it',
    (one) => {
      one.headers([...GRPC, ...OK]);
      one.data(whole(one), true);
    },
  ],
  ['a status without a message', (one) => one.headers([...GRPC, ...OK], true)],
  ['two messages', byGrpc((one) => Buffer.concat([whole(one), whole(one)]))],
  [
    'trailers that do not end it',
    (one) => {
      one.headers(GRPC);
      one.data(whole(one));
      one.headers(OK);
    },
  ],
  [
    'trailers twice',
    (one) => {
      one.headers(GRPC);
      one.data(whole(one));
      one.headers(OK, true);
      one.headers(OK, true);
    },
  ],
  ['trailers with a status of HTTP', byGrpc(whole, [[':status', '200'], ...OK])],
  [
    'two statuses',
    byGrpc(whole, [
      ['grpc-status', '0'],
      ['grpc-status', '5'],
    ]),
  ],
  [
    'early hints before it',
    (one) => {
      one.headers([[':status', '103']]);
      one.headers([[':status', '100']]);
      wellBehaved(one);
    },
  ],
  [
    'more after its end',
    (one) => {
      wellBehaved(one);
      one.data(whole(one), true);
    },
  ],
  [
    'its answer, and a reset',
    (one) => {
      wellBehaved(one);
      one.reset(2);
    },
  ],
  [
    'an answer to a call that nobody made',
    (one) => {
      one.write(frame(FRAME.headers, FLAG.endHeaders, 99, headerBlock(GRPC)));
      wellBehaved(one);
    },
  ],
  [
    'a push',
    (one) => {
      one.write(frame(FRAME.push, FLAG.endHeaders, one.id, Buffer.concat([uint32(2), headerBlock(GRPC)])));
      wellBehaved(one);
    },
  ],
  [
    'a goodbye before it',
    (one) => {
      one.write(frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(one.id), uint32(0)])));
      wellBehaved(one);
    },
  ],
  [
    'a goodbye that does not know the call',
    (one) => one.write(frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(0), uint32(0)]))),
  ],
  ['a goodbye in anger', (one) => one.write(frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(one.id), uint32(11)])))],
  [
    'settings that allow no call',
    (one) => {
      one.write(frame(FRAME.settings, 0, 0, Buffer.from([0, 3, 0, 0, 0, 0])));
      wellBehaved(one);
    },
  ],
  ['settings that are none', (one) => one.write(frame(FRAME.settings, 0, 0, new Uint8Array(5)))],
  ['a block that cannot be read', (one) => one.write(frame(FRAME.headers, 5, one.id, Uint8Array.of(0xff, 0xff, 0x7f)))],
  ['a length of 4 GiB', byGrpc(() => Buffer.from([0, 255, 255, 255, 255]))],
  ['more than may be read', byGrpc(() => Buffer.concat([Buffer.from([0]), uint32(70_000)]))],
  [
    'gzip that is none',
    byGrpc(() => encodeEnvelope(1, Uint8Array.of(1, 2, 3)), OK, [...GRPC, ['grpc-encoding', 'gzip']]),
  ],
  [
    'a compression that nobody asked for',
    byGrpc((one) => encodeEnvelope(1, echoed(one, true)), OK, [...GRPC, ['grpc-encoding', 'zstd']]),
  ],
  ['many headers', byGrpc(whole, OK, [...GRPC, ...Array.from({ length: 300 }, (_, n): Header => [`x-${n}`, '1'])])],
];

describe('a server that answers with', () => {
  test.each(ODD)('%s', async (_name, answer) => {
    await both('grpc', answer, 300);
  });

  test.each(Array.from({ length: 16 }, (_, code) => code))(
    'a reset of code %i, before and after its headers',
    async (code) => {
      await both('grpc', (one) => one.reset(code), 500);
      await both(
        'grpc',
        (one) => {
          one.headers(GRPC);
          one.reset(code);
        },
        2_000,
      );
      await both('connect', (one) => one.reset(code), 500);
    },
  );
});
