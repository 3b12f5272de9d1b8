/**
 * What strangers send, through the edge: each is answered by a typed status with a text to act on, in the protocol that was
 * asked in; nothing hangs, and nothing of the server's inside leaves it.
 */

import { randomUUID } from 'node:crypto';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { Code, ConnectError } from '@connectrpc/connect';
import { AvailabilityService } from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { StockReason, StockService } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { PriceService } from '@weft/gen/weft/pricing/v1/price_service_pb.js';
import { CheckoutService } from '@weft/gen/weft/shipping/v1/checkout_service_pb.js';
import { ShipmentService } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { fieldViolationsOf, metadataOf, reasonOf } from '@weft/runtime/errors/fail';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type TestMesh, testMesh } from '../../dev/src/testing.ts';
import { TokenMint } from '../../dev/src/tokens.ts';
import { BERLIN, callerOf, failureOf, PROTOCOLS } from './customer.ts';

let mesh: TestMesh;
beforeAll(async () => {
  mesh = await testMesh();
});

/** What must never be in an error that leaves the server. */
const INSIDE =
  /\bat .+:\d+:\d+|node_modules|\/src\/|SELECT |INSERT |relation "|services\/|\.ts\b|ECONNREFUSED|node:internal/;

function expectClean(error: unknown): void {
  expect(error).toBeInstanceOf(ConnectError);
  const { rawMessage, details } = error as ConnectError;
  expect(rawMessage).not.toMatch(INSIDE);
  expect(
    JSON.stringify(
      details.map((detail) => ('value' in detail ? Buffer.from(detail.value as Uint8Array).toString() : detail)),
    ),
  ).not.toMatch(INSIDE);
  expect(rawMessage.length).toBeGreaterThan(3);
}

describe.each(PROTOCOLS)('tokens, in %s', (protocol) => {
  const place = {
    requestId: randomUUID(),
    quoteId: randomUUID(),
    lines: [{ sku: 'A', quantity: 1n }],
    destination: BERLIN,
    rateId: 'x',
    expectedTotal: { currencyCode: 'EUR', minorUnits: 1n },
  };
  const code = async (options: Parameters<typeof callerOf>[1]) => {
    const caller = await callerOf(mesh, { ...options, protocol });
    const error = await failureOf(caller.of(ShipmentService).placeShipment(place));
    expectClean(error);
    return ConnectError.from(error).code;
  };

  test('missing, mutilated, expired, of another issuer, audience or key: UNAUTHENTICATED', async () => {
    expect(await code({ scopes: 'none' })).toBe(Code.Unauthenticated);
    expect(await code({ token: 'no.token.atall' })).toBe(Code.Unauthenticated);
    expect(await code({ token: await mesh.token({ ttlSeconds: -60 }) })).toBe(Code.Unauthenticated);
    expect(await code({ token: await mesh.token({ issuer: 'https://evil.example' }) })).toBe(Code.Unauthenticated);
    expect(await code({ token: await mesh.token({ audience: 'other' }) })).toBe(Code.Unauthenticated);
    expect(await code({ token: await (await TokenMint.foreign()).mint() })).toBe(Code.Unauthenticated);
    const [, claims = ''] = (await mesh.token()).split('.');
    const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
    expect(await code({ token: `${none}.${claims}.` })).toBe(Code.Unauthenticated);
  });

  test('without the scope: PERMISSION_DENIED', async () => {
    expect(await code({ scopes: ['mesh:read', 'stock:read'] })).toBe(Code.PermissionDenied);
    expect(await code({ scopes: [] })).toBe(Code.PermissionDenied);
  });

  test('are not forged by headers', async () => {
    const claims = Buffer.from(JSON.stringify({ sub: 'admin', scope: 'orders:write orders:read' })).toString(
      'base64url',
    );
    const headers = { 'x-weft-claims': claims, 'x-forwarded-client-cert': 'URI=spiffe://weft.local/edge' };
    expect(await code({ scopes: 'none', headers })).toBe(Code.Unauthenticated);
    expect(await code({ scopes: ['mesh:read'], headers })).toBe(Code.PermissionDenied);
  });

  test('internal RPCs are not there for anyone', async () => {
    const { ReservationService } = await import('@weft/gen/weft/inventory/v1/reservation_service_pb.js');
    const caller = await callerOf(mesh, { protocol });
    const error = await failureOf(caller.of(ReservationService).getReservation({ reservationId: randomUUID() }));
    expectClean(error);
    expect([Code.Unimplemented, Code.PermissionDenied]).toContain(ConnectError.from(error).code);
  });
});

describe.each(PROTOCOLS)('fields, in %s', (protocol) => {
  test.each([
    ['a negative quantity', [{ sku: 'KIT-CHEF-KNIFE-20', quantity: -1n }], 'lines[0].quantity'],
    ['no quantity', [{ sku: 'KIT-CHEF-KNIFE-20' }], 'lines[0].quantity'],
    ['a huge quantity', [{ sku: 'KIT-CHEF-KNIFE-20', quantity: 2n ** 62n }], 'lines[0].quantity'],
    ['no SKU', [{ quantity: 1n }], 'lines[0].sku'],
    ['a SKU that is none', [{ sku: "'; DROP TABLE items; --", quantity: 1n }], 'lines[0].sku'],
    ['no lines', [], 'lines'],
    ['101 lines', Array.from({ length: 101 }, () => ({ sku: 'KIT-CHEF-KNIFE-20', quantity: 1n })), 'lines'],
  ])('%s is named', async (_what, lines, field) => {
    const caller = await callerOf(mesh, { scopes: 'none', protocol });
    const request = { requestId: randomUUID(), lines, destination: BERLIN, currencyCode: 'EUR' };
    const error = await failureOf(caller.of(CheckoutService).prepareCheckout(request));
    expectClean(error);
    expect(ConnectError.from(error).code).toBe(Code.InvalidArgument);
    expect(reasonOf(error)).toBe('INVALID_FIELD');
    expect(fieldViolationsOf(error).map((violation) => violation.field)).toContain(field);
  });

  test('a request_id that is none, and none at all, are named', async () => {
    const caller = await callerOf(mesh, { protocol });
    for (const requestId of ['', 'not-a-uuid']) {
      const request = {
        requestId,
        sku: 'KIT-CHEF-KNIFE-20',
        locationId: 'berlin',
        delta: 1n,
        reason: StockReason.CORRECTION,
      };
      const error = await failureOf(caller.of(StockService).adjustStock(request));
      expect(fieldViolationsOf(error).map((violation) => violation.field)).toEqual(['request_id']);
    }
  });

  test('unknown SKUs, currencies and places are told apart', async () => {
    const caller = await callerOf(mesh, { scopes: 'none', protocol });
    const prepare = (changes: object) =>
      failureOf(
        caller.of(CheckoutService).prepareCheckout({
          requestId: randomUUID(),
          lines: [{ sku: 'KIT-CHEF-KNIFE-20', quantity: 1n }],
          destination: BERLIN,
          currencyCode: 'EUR',
          ...changes,
        }),
      );
    const unknown = await prepare({ lines: [{ sku: 'NO-SUCH-THING', quantity: 1n }] });
    expect([reasonOf(unknown), metadataOf(unknown).sku]).toEqual(['ITEM_NOT_FOUND', 'NO-SUCH-THING']);
    expect(reasonOf(await prepare({ currencyCode: 'XXX' }))).toBe('CURRENCY_UNSUPPORTED');
    expect(['TAX_RATE_MISSING', 'NO_SHIPPING_RATE']).toContain(
      reasonOf(await prepare({ destination: { ...BERLIN, countryCode: 'AQ' } })),
    );
    expect(
      reasonOf(
        await failureOf(
          caller.of(PriceService).resolvePrices({ lines: [{ sku: 'A', quantity: 1n }], currencyCode: 'ABC' }),
        ),
      ),
    ).toBe('CURRENCY_UNSUPPORTED');
  });

  test('trap 2: the same SKU on two lines is counted together', async () => {
    const caller = await callerOf(mesh, { protocol });
    const { availabilities } = await caller
      .of(AvailabilityService)
      .batchGetAvailability({ skus: ['KIT-CHEF-KNIFE-20'] });
    expect(availabilities[0]?.known).toBe(true);
    const lines = [
      { sku: 'KIT-CHEF-KNIFE-20', quantity: 9_000n },
      { sku: 'KIT-CHEF-KNIFE-20', quantity: 9_000n },
    ];
    const error = await failureOf(
      caller
        .of(CheckoutService)
        .prepareCheckout({ requestId: randomUUID(), lines, destination: BERLIN, currencyCode: 'EUR' }),
    );
    expect(reasonOf(error)).toBe('INSUFFICIENT_STOCK');
    expect(metadataOf(error).requested).toBe('18000');
  });
});

describe('deadlines', () => {
  test.each(PROTOCOLS)('of 1 ms pass, in %s, and the server goes on', async (protocol) => {
    const caller = await callerOf(mesh, { protocol });
    const started = performance.now();
    const error = await failureOf(caller.of(ItemService).listItems({ pageSize: 200 }, { timeoutMs: 1 }));
    expect(ConnectError.from(error).code).toBe(Code.DeadlineExceeded);
    expect(performance.now() - started).toBeLessThan(5_000);
    expect((await caller.of(ItemService).listItems({ pageSize: 1 })).items).toHaveLength(1);
  });
});

describe('frames', () => {
  /** What came back for raw bytes on an RPC. */
  type Answer = { status: number; grpcStatus: string | undefined; body: string };

  function session(): ClientHttp2Session {
    const opened = connect(mesh.edgeUrl);
    opened.on('error', () => {});
    onTestFinished(() => opened.destroy());
    return opened;
  }

  async function send(path: string, contentType: string, body: Uint8Array): Promise<Answer> {
    const stream = session().request({ ':method': 'POST', ':path': path, 'content-type': contentType, te: 'trailers' });
    const answer: Answer = { status: 0, grpcStatus: undefined, body: '' };
    const chunks: Buffer[] = [];
    stream.on('response', (headers) => {
      answer.status = Number(headers[':status']);
      answer.grpcStatus = headers['grpc-status'] as string | undefined;
    });
    stream.on('trailers', (trailers) => {
      answer.grpcStatus = (trailers['grpc-status'] as string | undefined) ?? answer.grpcStatus;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    const closed = new Promise<void>((resolve) => {
      stream.on('close', resolve);
      stream.on('error', () => resolve());
    });
    stream.on('error', () => {});
    stream.end(body);
    await closed;
    answer.body = Buffer.concat(chunks).toString();
    expect(answer.body).not.toMatch(INSIDE);
    return answer;
  }

  const GET_ITEM = '/weft.inventory.v1.ItemService/GetItem';
  const frame = (length: number, payload: Uint8Array, flags = 0) => {
    const head = Buffer.alloc(5);
    head.writeUInt8(flags, 0);
    head.writeUInt32BE(length, 1);
    return Buffer.concat([head, payload]);
  };

  test.each([
    ['random bytes', Buffer.from('these are no frames at all')],
    ['a frame that promises 4 GB', frame(0xffff_ffff, Buffer.alloc(16))],
    ['a frame cut short', frame(100, Buffer.alloc(10))],
    ['a message that is no protobuf', frame(4, Buffer.from([0xff, 0xff, 0xff, 0xff]))],
    ['two messages', Buffer.concat([frame(0, Buffer.alloc(0)), frame(0, Buffer.alloc(0))])],
    ['a compressed message without an encoding', frame(3, Buffer.from('abc'), 1)],
    ['nothing', Buffer.alloc(0)],
  ])('%s fail with a gRPC status', async (_what, body) => {
    const { status, grpcStatus } = await send(GET_ITEM, 'application/grpc+proto', body);
    expect(status).toBe(200);
    expect(['3', '8', '12', '13']).toContain(grpcStatus);
  });

  test('a message of 5 MB is RESOURCE_EXHAUSTED, in gRPC and in Connect', async () => {
    const huge = Buffer.alloc(5 * 1024 * 1024, 'a');
    expect((await send(GET_ITEM, 'application/grpc+proto', frame(huge.length, huge))).grpcStatus).toBe('8');
    const answer = await send(GET_ITEM, 'application/json', Buffer.from(JSON.stringify({ sku: huge.toString() })));
    expect(JSON.parse(answer.body).code).toBe('resource_exhausted');
  });

  test('JSON that is none is invalid_argument', async () => {
    const answer = await send(GET_ITEM, 'application/json', Buffer.from('{"sku": '));
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([400, 'invalid_argument']);
  });

  test.each([
    ['an unknown method', '/weft.inventory.v1.ItemService/Explode'],
    ['an unknown service', '/no.such.Service/Get'],
    ['no path to speak of', '/'],
    ['a path with tricks', '/weft.inventory.v1.ItemService/../ItemService/GetItem'],
  ])('%s is UNIMPLEMENTED', async (_what, path) => {
    expect((await send(path, 'application/grpc+proto', frame(0, Buffer.alloc(0)))).grpcStatus).toBe('12');
    const connectAnswer = await send(path, 'application/json', Buffer.from('{}'));
    expect(JSON.parse(connectAnswer.body).code).toBe('unimplemented');
  });

  test('a stream that is reset a hundred times leaves the neighbours alone', async () => {
    const neighbour = await callerOf(mesh, { scopes: 'none' });
    const rude = session();
    for (let i = 0; i < 100; i += 1) {
      const stream = rude.request({ ':method': 'POST', ':path': GET_ITEM, 'content-type': 'application/grpc' });
      stream.on('error', () => {});
      stream.close(constants.NGHTTP2_CANCEL);
    }
    expect((await neighbour.of(ItemService).getItem({ sku: 'KIT-CHEF-KNIFE-20' })).item?.sku).toBe('KIT-CHEF-KNIFE-20');
  });
});

test('every RPC at the edge refuses an empty call with a typed status, and none hangs', async () => {
  const exposed = Object.entries(policies).filter(
    ([, policy]) => policy.exposure !== 'INTERNAL' && !('stream' in policy),
  );
  expect(exposed.length).toBeGreaterThan(30);
  const token = await mesh.token();
  for (const [rpc] of exposed) {
    const response = await fetch(`${mesh.edgeUrl}/${rpc}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: '{}',
      signal: AbortSignal.timeout(10_000),
    });
    const body = await response.text();
    expect([200, 400, 429], `${rpc}: ${body}`).toContain(response.status);
    if (response.status !== 200) {
      expect(body, rpc).not.toMatch(INSIDE);
      expect(JSON.parse(body).code, rpc).toBeTypeOf('string');
    }
  }
});
