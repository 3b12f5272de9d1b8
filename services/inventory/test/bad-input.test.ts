/**
 * What breaks the contract, for every RPC of inventory: read from the descriptors and their protovalidate rules, so that neither an RPC nor
 * a rule is forgotten. Each is answered by a typed error that names the field, and changes no table.
 */

import { connect } from 'node:http2';
import {
  type DescField,
  type DescMessage,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescService,
  fromJson,
  getOption,
  type JsonValue,
  ScalarType,
} from '@bufbuild/protobuf';
import { Ignore, field as rulesExtension } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { AvailabilityService } from '@weft/gen/weft/inventory/v1/availability_service_pb.js';
import { CountService } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { LocationService } from '@weft/gen/weft/inventory/v1/location_service_pb.js';
import { ReservationService } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { StockService } from '@weft/gen/weft/inventory/v1/stock_service_pb.js';
import { TransferService } from '@weft/gen/weft/inventory/v1/transfer_service_pb.js';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reasonFrom, transportAs } from '../../../dev/src/testing/calls.ts';
import { type Hosted, host, openTestDatabase } from '../../../dev/src/testing/hosted.ts';
import { openInventory } from '../src/inventory.ts';
import { NEVER_MS } from './harness.ts';

const SERVICES: readonly DescService[] = [
  AvailabilityService,
  CountService,
  ItemService,
  LocationService,
  ReservationService,
  StockService,
  TransferService,
];

let database: Awaited<ReturnType<typeof openTestDatabase>>;
let inventory: Hosted;
beforeAll(async () => {
  database = await openTestDatabase('inventory');
  inventory = await host('inventory', openInventory({ databaseUrl: database.url, sweepIntervalMs: NEVER_MS }));
});
afterAll(async () => {
  await inventory.stop();
  await database.drop();
});

/** A value that breaks a rule, and the path of the field that must be named for it. */
type Breach = { readonly request: { readonly [key: string]: JsonValue }; readonly path: string };

const INTEGERS: ReadonlySet<ScalarType> = new Set([ScalarType.INT32, ScalarType.INT64]);
/** How far into messages of messages rules are followed. */
const DEPTH_MAX = 3;

/** Every breach of a message's rules, each alone in a request. */
function breachesOf(message: DescMessage, depth = 0): Breach[] {
  const ruled = message.fields.filter((field) => getOption(field, rulesExtension).ignore !== Ignore.ALWAYS);
  return ruled.flatMap((field) => [
    ...badValuesOf(field).map(([value, suffix]) => ({
      request: { [field.jsonName]: value },
      path: `${field.name}${suffix}`,
    })),
    ...nestedOf(field, depth),
  ]);
}

function nestedOf(field: DescField, depth: number): Breach[] {
  if (depth === DEPTH_MAX || field.message === undefined || field.fieldKind === 'map') {
    return [];
  }
  const list = field.fieldKind === 'list';
  return breachesOf(field.message, depth + 1).map(({ request, path }) => ({
    request: { [field.jsonName]: list ? [request] : request },
    path: `${field.name}${list ? '[0]' : ''}.${path}`,
  }));
}

function badValuesOf(field: DescField): [JsonValue, string][] {
  const { type } = getOption(field, rulesExtension);
  const bad: [JsonValue, string][] = [];
  if (type.case === 'string' && field.fieldKind === 'scalar') {
    const { pattern, maxLen, wellKnown } = type.value;
    if (pattern !== '') {
      const matches = new RegExp(pattern, 'u');
      const [breaking] = ['\u0007!', '\u0000', ''].filter((text) => !matches.test(text));
      bad.push(...(breaking === undefined ? [] : ([[breaking, '']] satisfies [JsonValue, string][])));
    }
    if (maxLen > 0n) {
      bad.push(['a'.repeat(Number(maxLen) + 1), '']);
    }
    if (wellKnown.case === 'uuid') {
      bad.push(['', ''], ['not-a-uuid', '']);
    }
  }
  if ((type.case === 'int64' || type.case === 'int32') && field.fieldKind === 'scalar') {
    const { greaterThan, lessThan } = type.value;
    if (greaterThan.case !== undefined) {
      bad.push([`${BigInt(greaterThan.value) - (greaterThan.case === 'gte' ? 1n : 0n)}`, '']);
    }
    if (lessThan.case !== undefined) {
      bad.push([`${BigInt(lessThan.value) + (lessThan.case === 'lte' ? 1n : 0n)}`, '']);
    }
  }
  if (type.case === 'enum' && type.value.definedOnly && field.fieldKind === 'enum') {
    bad.push([9_999, '']);
  }
  if (type.case === 'repeated' && field.fieldKind === 'list') {
    const one: JsonValue = field.listKind === 'message' ? {} : field.listKind === 'enum' ? 1 : 'A';
    if (type.value.minItems > 0n) {
      bad.push([[], '']);
    }
    if (type.value.maxItems > 0n) {
      bad.push([Array.from({ length: Number(type.value.maxItems) + 1 }, () => one), '']);
    }
    if (type.value.unique) {
      bad.push([[one, one], '']);
    }
  }
  return bad;
}

/** Paths of integers, to be overflowed. */
function integersOf(message: DescMessage): DescField[] {
  return message.fields.filter((field) => field.fieldKind === 'scalar' && INTEGERS.has(field.scalar));
}

/** One checksum of all tables. */
async function checksum(pool: Pool): Promise<string> {
  const { rows } = await pool.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
  );
  const sums: string[] = [];
  for (const { name } of rows) {
    const sum = await pool.query<{ sum: string }>(
      `SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS sum FROM "${name}" t`,
    );
    sums.push(`${name} ${sum.rows[0]?.sum}`);
  }
  return sums.join('\n');
}

/** Sends JSON in the Connect protocol, word for word. */
async function send(rpc: string, requests: readonly string[]): Promise<string[]> {
  const session = connect(`http://${inventory.address}`);
  try {
    const answers: string[] = [];
    for (const body of requests) {
      const stream = session.request({
        ':method': 'POST',
        ':path': `/${rpc}`,
        'content-type': 'application/json',
        'x-forwarded-client-cert': 'URI=spiffe://weft.local/shipping',
      });
      stream.end(body);
      answers.push((await stream.setEncoding('utf8').toArray()).join(''));
    }
    return answers;
  } finally {
    session.destroy();
  }
}

const UNARY = SERVICES.flatMap((service) =>
  service.methods
    .filter(({ methodKind }) => methodKind === 'unary')
    .map((method) => [`${service.typeName}/${method.name}`, method.input] as const),
);

describe.each(UNARY)('%s', (rpc, input) => {
  test('names each field that breaks a rule, and changes nothing', async () => {
    const before = await checksum(database.pool);
    const breaches = breachesOf(input);
    const answers = await send(
      rpc,
      breaches.map(({ request }) => JSON.stringify(request)),
    );
    for (const [index, { path }] of breaches.entries()) {
      const what = `${path}: ${JSON.stringify(breaches[index]?.request).slice(0, 100)}: ${answers[index]?.slice(0, 300)}`;
      expect(answers[index], what).toContain('"code":"invalid_argument"');
      const { details = [] } = JSON.parse(answers[index] ?? '');
      const texts: string[] = details.map(({ value }: { value: string }) => Buffer.from(value, 'base64').toString());
      expect(
        texts.some((text) => text.includes('INVALID_FIELD')),
        what,
      ).toBe(true);
      expect(
        texts.some((text) => text.includes(path)),
        what,
      ).toBe(true);
    }
    expect(await checksum(database.pool)).toBe(before);
  });

  test('refuses integers past their range', async () => {
    const before = await checksum(database.pool);
    const fields = integersOf(input);
    const bodies = fields.flatMap(({ jsonName }) =>
      ['9223372036854775808', '-9223372036854775809', '1e40', 'NaN'].map((value) => `{"${jsonName}":"${value}"}`),
    );
    for (const answer of await send(rpc, bodies)) {
      expect(answer).toContain('"code":"invalid_argument"');
    }
    expect(await checksum(database.pool)).toBe(before);
  });
});

test('there are rules to break in most RPCs', () => {
  expect(UNARY.filter(([, input]) => breachesOf(input).length > 0).length).toBeGreaterThan(UNARY.length - 3);
});

const LISTS = UNARY.filter(([, input]) => input.field.pageToken !== undefined);
test.each(LISTS)('%s takes no page token that it did not give', async (rpc) => {
  const [whole, nonsense, forged] = await send(rpc, [
    '{}',
    '{"pageToken":"nonsense"}',
    JSON.stringify({ pageToken: Buffer.alloc(40, '["x"]').toString('base64url') }),
  ]);
  // One that needs more than a token to list is refused for that first.
  const expected = whole?.includes('INVALID_FIELD') ? 'INVALID_FIELD' : 'PAGE_TOKEN_INVALID';
  expect([nonsense?.includes(expected), forged?.includes(expected)]).toEqual([true, true]);
});

const isWatch = (method: DescMethod): method is DescMethodServerStreaming =>
  method.methodKind === 'server_streaming' && method.input.field.resumeToken !== undefined;
const WATCHES = SERVICES.flatMap((service) =>
  service.methods.filter(isWatch).map((method) => [`${service.typeName}/${method.name}`, method] as const),
);
test.each(WATCHES)('%s takes no resume token that it did not give', async (_rpc, method) => {
  const transport = transportAs(inventory.address, { workload: 'shipping' });
  const request = fromJson(method.input, { resumeToken: 'nonsense' });
  const read = async () => {
    const input = (async function* () {
      yield request;
    })();
    const { message } = await transport.stream(method, AbortSignal.timeout(5_000), undefined, undefined, input);
    for await (const first of message) {
      return first;
    }
  };
  expect(['RESUME_TOKEN_INVALID', 'INVALID_FIELD']).toContain(await reasonFrom(read()));
});

test('there are lists and watches', () => {
  expect([LISTS.length > 4, WATCHES.length > 2]).toEqual([true, true]);
});
