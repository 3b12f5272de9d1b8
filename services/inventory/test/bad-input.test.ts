/**
 * What breaks the contract, for every RPC of inventory: read from the descriptors and their protovalidate rules, so that neither an RPC nor
 * a rule is forgotten. Each request is right but for one thing, which the answer must name; and no table changes. It is sent as JSON
 * in the Connect protocol, word for word, since that is what says things that typed clients cannot.
 */

import { randomUUID } from 'node:crypto';
import { type ClientHttp2Session, connect } from 'node:http2';
import {
  type DescMessage,
  type DescMethod,
  type DescService,
  fromJson,
  type JsonObject,
  type JsonValue,
} from '@bufbuild/protobuf';
import { Code, type ConnectError } from '@connectrpc/connect';
import { errorFromJson } from '@connectrpc/connect/protocol-connect';
import { AvailabilityService } from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import { CountService } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import { ItemSchema } from '@weft/gen/weft/inventory/v1/item_pb.js';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { LocationService } from '@weft/gen/weft/inventory/v1/location_service_pb.js';
import { ReservationService } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { StockService } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { TransferService } from '@weft/gen/weft/inventory/v1/transfer_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { sealPageToken } from '@weft/runtime/data/page';
import type { Reason } from '@weft/runtime/errors/catalogue';
import { fieldViolationsOf, reasonOf } from '@weft/runtime/errors/fail';
import { check } from '@weft/runtime/server/validate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { breachesOf, KNOWN, textsIn, UNKNOWN, UUID, unreadable, wholeOf } from './broken-requests.ts';
import { addItem, addLocation, addStock, NEVER_MS, startInventory, type TestInventory } from './harness.ts';

const SERVICES: readonly DescService[] = [
  AvailabilityService,
  CountService,
  ItemService,
  LocationService,
  ReservationService,
  StockService,
  TransferService,
];
const RPCS = SERVICES.flatMap((service) =>
  service.methods.map((method) => [`${service.typeName}/${method.name}`, method] as const),
);

let inventory: TestInventory;
let session: ClientHttp2Session;
beforeAll(async () => {
  inventory = await startInventory({ sweepIntervalMs: NEVER_MS });
  session = connect(`http://${inventory.address}`);
  // What requests name is there, so that one that were taken would change something.
  await addItem(inventory, { sku: KNOWN.sku });
  await addLocation(inventory, { locationId: KNOWN.locationId });
  await addStock(inventory, KNOWN.sku, KNOWN.locationId, 9);
});
afterAll(async () => {
  session.destroy();
  await inventory.stop();
});

/** What came back: an error, or the first message. */
type Answer = { readonly error?: ConnectError; readonly message?: JsonObject };

/** Sends one message as it stands and takes the first that comes back. */
async function send(method: DescMethod, json: string): Promise<Answer> {
  const unary = method.methodKind === 'unary';
  const stream = session.request({
    ':method': 'POST',
    ':path': `/${method.parent.typeName}/${method.name}`,
    'content-type': unary ? 'application/json' : 'application/connect+json',
    'x-forwarded-client-cert': 'URI=spiffe://weft.local/shipping',
  });
  let status = 0;
  stream.on('response', (headers) => {
    status = headers[':status'] ?? 0;
  });
  if (unary) {
    stream.end(json);
    const text = (await stream.setEncoding('utf8').toArray()).join('');
    return status === 200 ? { message: JSON.parse(text) } : { error: errorOf(JSON.parse(text)) };
  }
  stream.end(enveloped(Buffer.from(json)));
  let bytes = Buffer.alloc(0);
  for await (const chunk of stream) {
    bytes = Buffer.concat([bytes, chunk]);
    const end = ENVELOPE_BYTES + (bytes.length < ENVELOPE_BYTES ? 0 : bytes.readUInt32BE(1));
    if (bytes.length >= end) {
      stream.destroy();
      const content = JSON.parse(bytes.toString('utf8', ENVELOPE_BYTES, end));
      const error = bytes[0] === END_OF_STREAM ? content.error : undefined;
      return error === undefined ? { message: content } : { error: errorOf(error) };
    }
  }
  throw new Error(`a stream that ends with status ${status} and nothing in it`);
}

const ENVELOPE_BYTES = 5;
const END_OF_STREAM = 2;

function enveloped(message: Buffer): Buffer {
  const head = Buffer.alloc(ENVELOPE_BYTES);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function errorOf(json: JsonValue): ConnectError {
  return errorFromJson(json, undefined, new Error('no error of the Connect protocol') as ConnectError);
}

/** One line for each table, which is another once anything in the table is. */
async function checksums(): Promise<string[]> {
  const { rows } = await inventory.pool.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
  );
  const sums = rows.map(
    ({ name }) =>
      `SELECT '${name} ' || md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS sum FROM "${name}" t`,
  );
  const { rows: lines } = await inventory.pool.query<{ sum: string }>(sums.join(' UNION ALL '));
  return lines.map(({ sum }) => sum);
}

/** Sends requests at once, and sees that each is refused and that nothing has changed. */
async function refused(method: DescMethod, requests: readonly string[]): Promise<ConnectError[]> {
  const before = await checksums();
  const answers = await Promise.all(requests.map((request) => send(method, request)));
  expect(await checksums()).toEqual(before);
  return answers.map(({ error, message }, index) => {
    if (error === undefined) {
      throw new Error(`${requests[index]?.slice(0, 300)} was answered ${JSON.stringify(message).slice(0, 300)}`);
    }
    return error;
  });
}

test('no RPC is forgotten', () => {
  const served = Object.keys(policies).filter((rpc) => rpc.startsWith('weft.inventory.'));
  expect(RPCS.map(([rpc]) => rpc).sort()).toEqual(served.sort());
});

describe.each(RPCS)('%s', (_rpc, method) => {
  const { input } = method;

  test('is right but for what is broken', () => {
    expect(() => check(input, fromJson(input, wholeOf(input)))).not.toThrow();
  });

  test('names each rule that is broken, and changes nothing', async () => {
    const breaches = breachesOf(input);
    expect(breaches).not.toEqual([]);
    const errors = await refused(
      method,
      breaches.map(({ request }) => JSON.stringify(request)),
    );
    for (const [index, error] of errors.entries()) {
      const { request, path } = breaches[index] ?? { request: {}, path: '' };
      const what = JSON.stringify(request).slice(0, 500);
      expect([error.code, reasonOf(error)], what).toEqual([Code.InvalidArgument, 'INVALID_FIELD']);
      expect([...new Set(fieldViolationsOf(error).map(({ field }) => field))], what).toEqual([path]);
    }
  });

  test('refuses what cannot be read, integers past their range among it, and changes nothing', async () => {
    const requests = unreadable(input).map((request) => JSON.stringify(request));
    const errors = await refused(method, [...requests, '', '[]', 'null', '"A"', '{"', '{"sku": }']);
    for (const [index, error] of errors.entries()) {
      expect([error.code, reasonOf(error)], requests[index]).toEqual([Code.InvalidArgument, 'MALFORMED_REQUEST']);
    }
  });
});

/** Requests that would be refused for something else before what they name is looked for, or that name nothing by themselves. */
const NAMING: Readonly<Record<string, JsonObject>> = {
  createItem: { item: { ...wholeOf(ItemSchema, UNKNOWN), sku: 'NEW', outOfStockPolicy: 1 } },
  updateItem: { item: { sku: UNKNOWN.sku } },
  updateLocation: { location: { locationId: UNKNOWN.locationId } },
  moveStock: { fromState: 1, toState: 2 },
  createTransfer: { destinationLocationId: 'nor-such' },
};

/** What those are told who name what is not there. The others list what there is, or say of each item whether it is known. */
const TOLD: Readonly<Record<string, Reason>> = {
  getItem: 'ITEM_NOT_FOUND',
  batchGetItems: 'ITEM_NOT_FOUND',
  createItem: 'KIT_INVALID',
  updateItem: 'ITEM_NOT_FOUND',
  deleteItem: 'ITEM_NOT_FOUND',
  undeleteItem: 'ITEM_NOT_FOUND',
  getLocation: 'LOCATION_NOT_FOUND',
  updateLocation: 'LOCATION_NOT_FOUND',
  deleteLocation: 'LOCATION_NOT_FOUND',
  batchGetStockLevels: 'ITEM_NOT_FOUND',
  adjustStock: 'ITEM_NOT_FOUND',
  setStock: 'ITEM_NOT_FOUND',
  moveStock: 'ITEM_NOT_FOUND',
  getStockImport: 'IMPORT_NOT_FOUND',
  planSourcing: 'ITEM_NOT_FOUND',
  createReservation: 'ITEM_NOT_FOUND',
  getReservation: 'RESERVATION_NOT_FOUND',
  extendReservation: 'RESERVATION_NOT_FOUND',
  confirmReservation: 'RESERVATION_NOT_FOUND',
  releaseReservation: 'RESERVATION_NOT_FOUND',
  commitReservation: 'RESERVATION_NOT_FOUND',
  createTransfer: 'ITEM_NOT_FOUND',
  shipTransfer: 'TRANSFER_NOT_FOUND',
  receiveTransfer: 'TRANSFER_NOT_FOUND',
  cancelTransfer: 'TRANSFER_NOT_FOUND',
  getTransfer: 'TRANSFER_NOT_FOUND',
  createCount: 'ITEM_NOT_FOUND',
  submitCount: 'COUNT_NOT_FOUND',
  approveCount: 'COUNT_NOT_FOUND',
  getCount: 'COUNT_NOT_FOUND',
};

/** Nothing that CreateLocation names must be there. */
const UNARY = RPCS.filter(([, { methodKind, localName }]) => methodKind === 'unary' && localName !== 'createLocation');
test.each(UNARY)('%s tells what is not there, and changes nothing', async (_rpc, method) => {
  const before = await checksums();
  const request = { ...wholeOf(method.input, UNKNOWN), ...NAMING[method.localName] };
  const { error } = await send(method, JSON.stringify(request));
  expect(error && reasonOf(error)).toBe(TOLD[method.localName]);
  // What nobody knows was said by a newer client, and is passed over.
  const newer = await send(method, JSON.stringify({ ...request, noSuchField: { of: ['any', 1] } }));
  expect(newer.error && reasonOf(newer.error)).toBe(TOLD[method.localName]);
  expect(await checksums()).toEqual(before);
});

test.each(RPCS)('%s fails by no text, whatever is in it', async (_rpc, method) => {
  const texts = ['\u0000', '\ud800', '\uffff', '\u202e', '%00%s', '{}'];
  const requests = textsIn(method.input, texts).map((request) =>
    // Each for the first time, or the body would not be looked at.
    JSON.stringify(request.requestId === UUID ? { ...request, requestId: randomUUID() } : request),
  );
  const answers = await Promise.all(requests.map((request) => send(method, request)));
  for (const [index, { error }] of answers.entries()) {
    expect([Code.Internal, Code.Unknown], `${requests[index]}: ${error}`).not.toContain(error?.code);
  }
});

const LISTS = RPCS.flatMap(([rpc, { input }]) => ('pageToken' in input.field ? [[rpc, input] as const] : []));

test.each(LISTS)('%s takes no page token but its own, of the same query', async (rpc, input) => {
  const method = RPCS.find(([name]) => name === rpc)?.[1] ?? expect.fail();
  const query = wholeOf(input);
  const sealed = (schema: DescMessage, json: JsonObject, cursor: string) =>
    sealPageToken(schema, fromJson(schema, json) as Parameters<typeof sealPageToken>[1], cursor);
  const cursors = ['x', 'null', '{}', '[]', '[1]', '["\\u0000"]', '["A","a","A","a"]', `["${UUID}","${UUID}"]`];
  const foreign = LISTS.filter(([, schema]) => schema !== input).map(([, schema]) => schema);
  const otherwise = Object.keys(query).length > 1 ? [sealed(input, {}, JSON.stringify([UUID]))] : [];
  const tokens = [
    'nonsense',
    '====',
    Buffer.alloc(40).toString('base64url'),
    ...cursors.map((cursor) => sealed(input, query, cursor)),
    ...foreign.map((schema) => sealed(schema, wholeOf(schema), JSON.stringify([UUID]))),
    ...otherwise,
  ];
  const errors = await refused(
    method,
    tokens.map((pageToken) => JSON.stringify({ ...query, pageToken })),
  );
  expect(errors.map(reasonOf)).toEqual(errors.map(() => 'PAGE_TOKEN_INVALID'));
});

const WATCHES = RPCS.filter(([, { input }]) => 'resumeToken' in input.field);

/** The token of a stream's first message. */
async function resumeTokenOf(method: DescMethod): Promise<string> {
  const { message } = await send(method, JSON.stringify(wholeOf(method.input)));
  return `${message?.resumeToken}`;
}

test.each(WATCHES)('%s takes no resume token but its own, of the same query', async (_rpc, method) => {
  const query = wholeOf(method.input);
  const own = await resumeTokenOf(method);
  expect((await send(method, JSON.stringify({ ...query, resumeToken: own }))).error).toBeUndefined();
  const others = WATCHES.filter(([, other]) => other !== method);
  const far = Buffer.from(own, 'base64url');
  far.fill(0xff, 9, 17);
  const tokens = [
    'nonsense',
    '====',
    own.slice(0, 20),
    `${own}AAAA`,
    far.toString('base64url'),
    Buffer.alloc(40).toString('base64url'),
    ...(await Promise.all(others.map(([, other]) => resumeTokenOf(other)))),
  ];
  const requests = tokens.map((resumeToken) => ({ ...query, resumeToken }));
  const otherwise = Object.keys(query).length > 0 ? [{ ...wholeOf(method.input, UNKNOWN), resumeToken: own }] : [];
  const errors = await refused(
    method,
    [...requests, ...otherwise].map((request) => JSON.stringify(request)),
  );
  expect(errors.map(reasonOf)).toEqual(errors.map(() => 'RESUME_TOKEN_INVALID'));
});

test('there are lists and watches', () => {
  expect([LISTS.length, WATCHES.length]).toEqual([8, 4]);
});
