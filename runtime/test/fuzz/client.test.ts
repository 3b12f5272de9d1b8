// Servers that answer with anything: a client's call ends, with its own answer or an error, on either lane alike; and the next call,
// to a server that behaves again, goes well.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Client, Code, ConnectError } from '@connectrpc/connect';
import { encodeEnvelope } from '@connectrpc/connect/protocol';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import { closeEgress } from '../../src/client/egress.ts';
import { AnswerSchema, LanesService, QuestionSchema } from '../lanes/contract.ts';
import { type Answerer, type Asked, FrameServer } from './frame-server.ts';
import { FLAG, FRAME, frame, type Header, headerBlock, uint32 } from './frames.ts';
import { soon, tries } from './subject.ts';

const GRPC: readonly Header[] = [
  [':status', '200'],
  ['content-type', 'application/grpc+proto'],
];
const CONNECT: readonly Header[] = [
  [':status', '200'],
  ['content-type', 'application/proto'],
];
const OK: readonly Header[] = [['grpc-status', '0']];
const ENVELOPE_HEAD_BYTES = 5;

type Protocol = 'grpc' | 'connect';
type Clients = Readonly<Record<'fast' | 'adapter', Client<typeof LanesService>>>;

let server: FrameServer;
let clients: Readonly<Record<Protocol, Clients>>;

beforeAll(async () => {
  server = await FrameServer.listen();
  const make = (protocol: Protocol, fastLane: boolean) =>
    connect(LanesService, {
      egress: server.address,
      protocol,
      fastLane,
      readMaxBytes: 65_536,
      acceptCompression: ['gzip'],
    });
  const both = (protocol: Protocol) => ({ fast: make(protocol, true), adapter: make(protocol, false) });
  clients = { grpc: both('grpc'), connect: both('connect') };
});
beforeEach(() => {
  server.greet = FrameServer.polite;
});
afterEach(async () => {
  server.greet = FrameServer.polite;
  server.answer = wellBehaved;
  server.cut();
  for (const protocol of ['grpc', 'connect'] as const) {
    for (const client of Object.values(clients[protocol])) {
      expect(await believed(client)).toBe('its own');
    }
  }
});
afterAll(async () => {
  closeEgress();
  await server.close();
});

/** The answer that gives back the question. */
function echoed(asked: Asked, isGrpc: boolean): Uint8Array {
  const { text } = fromBinary(QuestionSchema, isGrpc ? asked.body.subarray(ENVELOPE_HEAD_BYTES) : asked.body);
  return toBinary(AnswerSchema, create(AnswerSchema, { text }));
}

const isGrpcBody = ({ body }: Asked): boolean =>
  body.length >= ENVELOPE_HEAD_BYTES && body[0] === 0 && body.readUInt32BE(1) === body.length - ENVELOPE_HEAD_BYTES;

const wellBehaved: Answerer = (asked) => {
  const isGrpc = isGrpcBody(asked);
  const bytes = echoed(asked, isGrpc);
  asked.headers(isGrpc ? GRPC : CONNECT);
  asked.data(isGrpc ? encodeEnvelope(0, bytes) : bytes, !isGrpc);
  if (isGrpc) {
    asked.headers(OK, true);
  }
};

let asked = 0;

/** What a call comes to: the text of its answer, or the name of its error. */
async function outcome(client: Client<typeof LanesService>, timeoutMs?: number): Promise<string> {
  asked += 1;
  const text = `asked ${asked}`;
  try {
    const call = client.ask({ text }, timeoutMs === undefined ? {} : { timeoutMs });
    const answer = await soon(call, 'a call to a server that does not behave');
    return answer.text === text ? 'its own' : `an answer: ${JSON.stringify(answer.text)}`;
  } catch (error) {
    if (!(error instanceof ConnectError) || Code[error.code] === undefined) {
      throw error;
    }
    return Code[error.code] ?? '';
  }
}

/** In how many turns of the event loop a connection that has ended says so. */
const LOST_MAX = 100;

/** What a call comes to at a server that behaves again. */
async function believed(client: Client<typeof LanesService>): Promise<string> {
  let got = await outcome(client);
  for (let n = 0; n < LOST_MAX && got !== 'its own'; n += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    got = await outcome(client);
  }
  return got;
}

/** Where the lanes may differ: what it comes to on the fast lane, on the adapter, and why. Both are errors, but for the last. */
const ACCEPTED: readonly (readonly [fast: string, adapter: string, why: string])[] = [
  ['Unavailable', 'Canceled', 'connect-node tells a connection that is lost by the code of its streams'],
  ['Unavailable', 'Internal', 'connect-node tells a connection that is broken by the error of its streams'],
  ['ResourceExhausted', 'Internal', "gRPC's status for ENHANCE_YOUR_CALM, which connect-node does not know"],
  ['PermissionDenied', 'Internal', "gRPC's status for INADEQUATE_SECURITY, which connect-node does not know"],
  ['Internal', 'DeadlineExceeded', 'connect-node waits on when a stream is reset without an error'],
  ['Internal', 'Unimplemented', 'a body that is not one message: cut off, or two'],
  ['Unimplemented', 'Internal', 'a body that is not one message: cut off, or two'],
  ['Internal', 'Unknown', 'a text that is no percent-encoding, which neither should mind'],
  ['Internal', 'its own', 'Connect looks at the first bit of the flags alone'],
];

/** What it comes to on both lanes, which must be the same. */
async function both(protocol: Protocol, answer: Answerer, timeoutMs?: number): Promise<string> {
  server.answer = answer;
  const byFast = await outcome(clients[protocol].fast, timeoutMs);
  const byAdapter = await outcome(clients[protocol].adapter, timeoutMs);
  if (!ACCEPTED.some(([fast, adapter]) => fast === byFast && adapter === byAdapter)) {
    expect(byFast).toBe(byAdapter);
  }
  return byFast;
}

const byGrpc =
  (body: (asked: Asked) => Uint8Array, trailers: readonly Header[] = OK, headers: readonly Header[] = GRPC): Answerer =>
  (one) => {
    one.headers(headers);
    one.data(body(one));
    one.headers(trailers, true);
  };

const byConnect =
  (body: (asked: Asked) => Uint8Array, headers: readonly Header[] = CONNECT): Answerer =>
  (one) => {
    one.headers(headers);
    one.data(body(one), true);
  };

const whole = (one: Asked) => encodeEnvelope(0, echoed(one, true));

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
        fc.integer({ min: 100, max: 999 }).map(String),
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

// Open: gRPC has such a text taken as it is, and the status stands.
test.fails('a text that is no percent-encoding leaves its status alone', async () => {
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
