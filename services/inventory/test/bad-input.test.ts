/**
 * What breaks the contract, for every RPC of inventory: read from the descriptors and their protovalidate rules, so that neither an RPC nor
 * a rule is forgotten. Each request is right but for one thing, which the answer must name; and no table changes. It is sent as JSON
 * in the Connect protocol, word for word, since that is what says things that typed clients cannot.
 */

import { type ClientHttp2Session, connect } from 'node:http2';
import {
  create,
  type DescField,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromJson,
  getOption,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from '@bufbuild/protobuf';
import { field as fieldRules, Ignore } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { Code, type ConnectError } from '@connectrpc/connect';
import { errorFromJson } from '@connectrpc/connect/protocol-connect';
import { AvailabilityService } from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import { CountService } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
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

/** What requests name: things that are there, or that are not. */
type Names = { readonly sku: string; readonly locationId: string };
const KNOWN: Names = { sku: 'A', locationId: 'a' };
const UNKNOWN: Names = { sku: 'NO-SUCH', locationId: 'no-such' };
const UUID = '019a0000-0000-7000-8000-000000000000';

/** A message in which every field is right. */
function wholeOf(message: DescMessage, names = KNOWN): JsonObject {
  const fields = message.fields.filter((field) => rulesOf(field).ignore !== Ignore.ALWAYS && isSent(field));
  return Object.fromEntries(fields.map((field) => [field.jsonName, rightValueOf(field, names)]));
}

/** Tokens have tests of their own; times are absent for now. */
function isSent({ name, message }: DescField): boolean {
  return !name.endsWith('_token') && message?.typeName !== 'google.protobuf.Timestamp';
}

function rulesOf(field: DescField) {
  return getOption(field, fieldRules);
}

type StringRules = { readonly pattern: string; readonly minLen: bigint; readonly maxLen: bigint };
const LENGTHS = { minLen: 0n, maxLen: 1_000_000n };

function rightValueOf(field: DescField, names: Names): JsonValue {
  const { type } = rulesOf(field);
  if (field.fieldKind === 'list') {
    const items = type.case === 'repeated' ? type.value.items?.type : undefined;
    return [
      field.listKind === 'message'
        ? wholeOf(field.message, names)
        : rightTextOf(field, items?.case === 'string' ? items.value : undefined, names),
    ];
  }
  switch (field.fieldKind) {
    case 'message':
      return WELL_KNOWN[field.message.typeName] ?? wholeOf(field.message, names);
    case 'enum': {
      const notIn = type.case === 'enum' ? type.value.notIn : [];
      return field.enum.values.map(({ number }) => number).findLast((number) => !notIn.includes(number)) ?? 0;
    }
    case 'scalar':
      break;
    case 'map':
      throw new Error(`${field.name}: no request has had maps until now`);
  }
  switch (type.case) {
    case 'int32':
    case 'int64':
      return `${type.value.greaterThan.value ?? 0}`;
    case 'string':
      return type.value.wellKnown.case === 'uuid' ? UUID : rightTextOf(field, type.value, names);
    default:
      return field.scalar === ScalarType.BOOL ? false : '';
  }
}

const WELL_KNOWN: Readonly<Record<string, JsonValue>> = {
  'google.protobuf.Duration': '60s',
  'google.protobuf.FieldMask': 'name',
};

function rightTextOf({ name }: DescField, rules: StringRules | undefined, { sku, locationId }: Names): string {
  const { pattern, minLen, maxLen } = rules ?? { pattern: '', ...LENGTHS };
  const candidates = name === 'time_zone' ? ['Europe/Berlin'] : [sku, locationId, 'DE', 'standard', 'kitchen', ''];
  const right = candidates.find(
    (text) =>
      new RegExp(pattern, 'u').test(text) && text.length >= minLen && (maxLen === 0n || text.length <= Number(maxLen)),
  );
  if (right === undefined) {
    throw new Error(`${name}: nothing known matches ${pattern}`);
  }
  return right;
}

/** A request that is wrong in one field, and how the answer must name that. */
type Breach = { readonly request: JsonObject; readonly path: string };

/** Every breach of a message's rules, each alone in a message that is right otherwise. */
function breachesOf(message: DescMessage): Breach[] {
  return changesOf(message, (field) => brokenRulesOf(field));
}

/** Whole messages in which one field, at any depth, has another value; `undefined` for none at all. */
function changesOf(message: DescMessage, values: (field: DescField) => [JsonValue | undefined, string][]): Breach[] {
  const whole = wholeOf(message);
  return message.fields
    .filter((field) => rulesOf(field).ignore !== Ignore.ALWAYS)
    .flatMap((field) => {
      const changed = values(field).map(([value, suffix]) => ({ value, path: `${field.name}${suffix}` }));
      const list = field.fieldKind === 'list';
      const inner =
        field.message === undefined || field.message.typeName.startsWith('google.')
          ? []
          : changesOf(field.message, values).map(({ request, path }) => ({
              value: list ? [request] : request,
              path: `${field.name}${list ? '[0]' : ''}.${path}`,
            }));
      return [...changed, ...inner].map(({ value, path }) => ({
        request: { ...without(whole, field.jsonName), ...(value === undefined ? {} : { [field.jsonName]: value }) },
        path,
      }));
    });
}

function without(object: JsonObject, name: string): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));
}

function brokenRulesOf(field: DescField): [JsonValue | undefined, string][] {
  const { type, required } = rulesOf(field);
  const broken: [JsonValue | undefined, string][] = required ? [[undefined, '']] : [];
  switch (type.case) {
    case 'string':
      if (type.value.wellKnown.case === 'uuid') {
        const notUuids = ['', 'not-a-uuid', UUID.slice(1), `{${UUID}}`, `${UUID}\n`];
        broken.push([undefined, ''], ...notUuids.map((text): [string, string] => [text, '']));
      }
      broken.push(...brokenTextsOf(type.value).map((text): [string, string] => [text, '']));
      break;
    case 'int32':
    case 'int64': {
      const { greaterThan, lessThan, notIn } = type.value;
      broken.push([`${BigInt(greaterThan.value ?? 0) - 1n}`, ''], [`${BigInt(lessThan.value ?? 0) + 1n}`, '']);
      broken.push(...[...notIn].map((value): [string, string] => [`${value}`, '']));
      // Not there is 0; a field that can tell the two apart says by itself what it means.
      if (BigInt(greaterThan.value ?? 0) > 0n) {
        broken.push([undefined, '']);
      }
      break;
    }
    case 'enum':
      broken.push([9_999, ''], [-1, ''], ...type.value.notIn.map((value): [number, string] => [value, '']));
      break;
    case 'duration':
      broken.push(['0s', ''], ['-60s', ''], ['604800.000000001s', ''], ['0.999999999s', '']);
      break;
    case 'repeated':
      broken.push(...brokenListsOf(field, type.value));
      break;
    default:
  }
  return broken;
}

function brokenTextsOf({ pattern, minLen, maxLen }: StringRules): string[] {
  const matches = new RegExp(pattern, 'u');
  const strange = [
    '',
    '\u0000',
    '\u0007!',
    ' A',
    'A\n',
    'ä',
    '\u{1f4a9}',
    "'; DROP TABLE items; --",
    'a'.repeat(5_000),
    'A'.repeat(5_000),
  ];
  return strange.filter(
    (text) =>
      (pattern !== '' && !matches.test(text)) ||
      [...text].length < minLen ||
      (maxLen > 0n && [...text].length > maxLen),
  );
}

type RepeatedRules = Extract<ReturnType<typeof rulesOf>['type'], { case: 'repeated' }>['value'];

function brokenListsOf(
  field: DescField,
  { minItems, maxItems, unique, items }: RepeatedRules,
): [JsonValue | undefined, string][] {
  const one = (rightValueOf(field, KNOWN) as JsonValue[])[0] ?? null;
  const broken: [JsonValue | undefined, string][] = [];
  if (minItems > 0n) {
    broken.push([[], ''], [undefined, '']);
  }
  if (maxItems > 0n) {
    // Different ones where they must be; countries are of two letters.
    const letters = (index: number) =>
      String.fromCharCode(65 + (Math.floor(index / 26) % 26), 65 + (index % 26)) + (index < 676 ? '' : `${index}`);
    const many = Array.from({ length: Number(maxItems) + 1 }, (_, index) => (unique ? letters(index) : one));
    broken.push([many, '']);
  }
  if (unique) {
    broken.push([[one, one], '']);
  }
  if (items?.type.case === 'string') {
    broken.push(...brokenTextsOf(items.type.value).map((text): [JsonValue, string] => [[text], '[0]']));
  }
  return broken;
}

/** Values that no field of this kind can have in JSON. */
function unreadableOf(field: DescField): [JsonValue, string][] {
  const values: JsonValue[] = (() => {
    if (field.fieldKind === 'list') {
      return ['A', { 0: 'A' }, 7];
    }
    if (field.fieldKind === 'message') {
      return UNREADABLE[field.message.typeName] ?? ['A', [], 7];
    }
    if (field.fieldKind === 'enum') {
      return [1.5, 9_223_372_036_854_775_808, {}, []];
    }
    switch (field.fieldKind === 'scalar' ? field.scalar : undefined) {
      case ScalarType.INT64:
        return ['9223372036854775808', '-9223372036854775809', '1e40', 'NaN', '1.5', 'A', 1.5, 1e40, true, {}, []];
      case ScalarType.INT32:
        return ['2147483648', '-2147483649', 2_147_483_648, 'NaN', 1.5, true, {}];
      case ScalarType.BOOL:
        return ['true', 1, {}];
      default:
        return [7, true, {}, ['A']];
    }
  })();
  return values.map((value) => [value, '']);
}

const UNREADABLE: Readonly<Record<string, JsonValue[]>> = {
  'google.protobuf.Timestamp': [
    'yesterday',
    '2026-13-01T00:00:00Z',
    '10000-01-01T00:00:00Z',
    '0000-01-01T00:00:00Z',
    7,
  ],
  'google.protobuf.Duration': ['a minute', '60', '315576000001s', 7],
  'google.protobuf.FieldMask': [7, 'snake_case'],
};

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
    const requests = changesOf(input, unreadableOf).map(({ request }) => JSON.stringify(request));
    const errors = await refused(method, [...requests, '', '[]', 'null', '"A"', '{"', '{"sku": }']);
    for (const [index, error] of errors.entries()) {
      expect([error.code, reasonOf(error)], requests[index]).toEqual([Code.InvalidArgument, 'MALFORMED_REQUEST']);
    }
  });
});

/** What becomes of requests that name what is not there; undefined where that is no error. */
const OUTCOMES: Readonly<Record<string, Reason | undefined>> = {
  'AvailabilityService/BatchGetAvailability': undefined,
};

describe('what is not there', () => {
  test.each(RPCS.filter(([, { methodKind }]) => methodKind === 'unary'))('is told by %s', async (rpc, method) => {
    const before = await checksums();
    const request = wholeOf(method.input, UNKNOWN);
    const { error } = await send(method, JSON.stringify(request));
    // A field that nobody knows is of a newer client and changes nothing.
    const again = await send(method, JSON.stringify({ ...request, noSuchField: { of: ['any', 1] } }));
    console.log(rpc, error === undefined ? 'undefined' : reasonOf(error), again.error === undefined ? 'undefined' : reasonOf(again.error));
    void before;
  });
});
