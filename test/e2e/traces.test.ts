/**
 * Traces: the spans of edge, sidecars, services and SQL form one connected tree for each request, under the id that the caller
 * and the access logs know, without a word about the customer; and they go to whatever collector the standard variables name.
 */

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { MeshService, type Span, SpanKind, type Trace } from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import { ItemService } from '@weft/gen/weft/inventory/v1/item_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { CheckoutService } from '@weft/gen/weft/shipping/v1/checkout_service_pb.js';
import { ShipmentService } from '@weft/gen/weft/shipping/v1/shipment_service_pb.js';
import { connect } from '@weft/runtime/client/connect';
import { reasonOf } from '@weft/runtime/errors/fail';
import { Client } from 'pg';
import { afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type TestMesh, testDatabase, testMesh } from '../../dev/src/testing.ts';
import { waitFor } from '../../dev/src/wait.ts';
import { startCollector } from './collector.ts';
import { BASKET, BERLIN, buy, type Caller, callerOf, failureOf, orderFor } from './customer.ts';
import { root } from './go-tools.ts';
import { startOwnMesh } from './own-mesh.ts';

const TRACE_HEADER = 'x-weft-trace-id';
const WITHIN = { withinMs: 40_000 };

// A machine that is busy with something else is no failure.
vi.setConfig({ testTimeout: 120_000 });

let mesh: TestMesh;
beforeAll(async () => {
  mesh = await testMesh();
});
afterEach(() => {
  vi.unstubAllEnvs();
});

/** What stands in no span, whoever made it. */
const PRIVATE = { ...BERLIN, recipient: 'Xanthippe Geheimnis', lines: ['Verborgene Gasse 77'] };

/** Prepares and places one order, and says under which trace ids, and which words of it are nobody's business. */
async function order(customer: Caller) {
  const seen: string[] = [];
  const options = { onHeader: (headers: Headers) => void seen.push(headers.get(TRACE_HEADER) ?? '') };
  const request = { requestId: randomUUID(), lines: [...BASKET], destination: PRIVATE, currencyCode: 'EUR' };
  const offer = await customer.of(CheckoutService).prepareCheckout(request, options);
  const placing = orderFor(offer, BASKET, PRIVATE);
  await customer.of(ShipmentService).placeShipment(placing, options);
  const [prepared = '', placed = ''] = seen;
  const ids = [request.requestId, placing.requestId, placing.quoteId, placing.rateId];
  return { prepared, placed, unsaid: [PRIVATE.recipient, ...PRIVATE.lines, customer.subject, ...ids] };
}

/** The trace once it is complete; `whole` says when more of it is still to come. */
async function traceOf(caller: Caller, traceId: string, whole = (_: Trace) => true): Promise<Trace> {
  let latest: Trace | undefined;
  const look = async () => {
    const { trace, complete } = await caller.of(MeshService).getTrace({ traceId, wait: durationFromMs(5_000) });
    latest = trace;
    return complete && trace !== undefined && whole(trace);
  };
  // What is missing is better seen in a comparison than in a wait that failed.
  await waitFor('the trace', look, WITHIN).catch(() => {});
  if (latest === undefined) throw new Error(`there is no trace ${traceId}`);
  return latest;
}

/** Pricing asks inventory for items that it has not yet heard of; then the tree has a branch more. */
async function untilPricingKnows(skus: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: mesh.databases.pricing ?? '' });
  await client.connect();
  try {
    await waitFor(
      'pricing’s copy of the items',
      async () => (await client.query('SELECT sku FROM items WHERE sku = ANY($1)', [skus])).rowCount === skus.length,
      WITHIN,
    );
  } finally {
    await client.end();
  }
}

/**
 * A trace as text: a line for each hop, indented under its parent, siblings by name, with the names of the statements that the
 * hop ran. A statement's name stands once: the outcome of a saga is looked for until it is there.
 */
function asText(spans: readonly Span[]): string {
  const children = Map.groupBy(spans, (span) => span.parentSpanId);
  const lines: string[] = [];
  const show = (span: Span, depth: number): void => {
    const below = children.get(span.spanId) ?? [];
    const statements = new Set(below.filter(isStatement).map(statementName));
    // These serve several calls, and belong to whichever came first: the news of commits, and what inventory remembers of its market for some seconds.
    for (const shared of ['changes_wake', 'market_glimpse']) statements.delete(shared);
    const ran = statements.size === 0 ? '' : `: ${[...statements].sort().join(' ')}`;
    const verb = span.kind === SpanKind.SERVER ? 'answers' : 'asks';
    lines.push(`${'  '.repeat(depth)}${span.serviceName} ${verb} ${shortName(span)}${ran}`);
    for (const child of below.filter((one) => !isStatement(one)).sort(byName)) show(child, depth + 1);
  };
  for (const span of children.get('') ?? []) show(span, 0);
  return lines.join('\n');
}

function isStatement({ attributes }: Span): boolean {
  return attributes['db.system.name'] === 'postgresql';
}

/** The RPC's own name. */
function shortName({ name }: Span): string {
  return name.replace(/^.*\//, '');
}

/** Spans of statements are called `pg.query:<name> <database>`. */
function statementName({ name }: Span): string {
  return /^pg\.query:(\S+) /.exec(name)?.[1] ?? name;
}

function byName(a: Span, b: Span): number {
  return shortName(a) < shortName(b) ? -1 : 1;
}

function byStart({ startTime: a }: Span, { startTime: b }: Span): number {
  return Number((a?.seconds ?? 0n) - (b?.seconds ?? 0n)) || (a?.nanos ?? 0) - (b?.nanos ?? 0);
}

/** Who wrote which call with this trace into the access log. */
function accessLogged(traceId: string): string[] {
  const folder = join(mesh.stateFolder, 'logs');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.access.log'))
    .flatMap((name) => {
      const lines = readFileSync(join(folder, name), 'utf8').split('\n');
      const calls = lines.filter((line) => line.includes(traceId)).map((line) => JSON.parse(line));
      return calls.map(({ listener, route }) => `${name.split('.')[0]} ${listener} ${route.replace(/^.*\//, '')}`);
    })
    .sort();
}

/** The calls that the Envoys' spans tell of, as the access logs name them. */
function envoysCalls(spans: readonly Span[]): string[] {
  return spans
    .filter(({ serviceName }) => serviceName === 'edge' || serviceName.endsWith('-envoy'))
    .map(({ serviceName, kind, name }) => {
      const workload = serviceName.replace('-envoy', '');
      const listener = workload === 'edge' ? 'edge' : kind === SpanKind.SERVER ? 'inbound' : 'outbound';
      return `${workload} ${listener} ${name.replace(/^.*\//, '')}`;
    })
    .sort();
}

/** Holds a trace against what must be so of every trace. */
async function expectWhole(traceId: string, { spans, droppedSpanCount }: Trace): Promise<void> {
  expect(traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(droppedSpanCount).toBe(0);
  const known = new Set(spans.map(({ spanId }) => spanId));
  expect(known.size).toBe(spans.length);
  expect(spans.filter(({ parentSpanId }) => parentSpanId === '').map(({ serviceName }) => serviceName)).toEqual([
    'edge',
  ]);
  expect(spans.filter(({ parentSpanId }) => parentSpanId !== '' && !known.has(parentSpanId))).toEqual([]);
  const parents = new Set(spans.map(({ parentSpanId }) => parentSpanId));
  expect(spans.filter((span) => isStatement(span) && parents.has(span.spanId))).toEqual([]);
  const expected = envoysCalls(spans);
  await waitFor('the access logs', () => accessLogged(traceId).length >= expected.length, WITHIN);
  expect(accessLogged(traceId)).toEqual(expected);
}

/** All that spans say. */
function wordsOf(spans: readonly Span[]): string {
  return spans
    .map(({ name, statusMessage, attributes }) =>
      [name, statusMessage, ...Object.entries(attributes).flat()].join('\n'),
    )
    .join('\n');
}

/** PrepareCheckout as `asText` shows it. */
const PREPARE = `
edge answers PrepareCheckout
  shipping-envoy answers PrepareCheckout
    shipping answers PrepareCheckout: BEGIN COMMIT ROLLBACK cartons checkout_store idempotency_answer idempotency_claim tariffs
      shipping asks BatchGetItems
        shipping-envoy asks BatchGetItems
          inventory-envoy answers BatchGetItems
            inventory answers BatchGetItems: items_read
      shipping asks CreateQuote
        shipping-envoy asks CreateQuote
          pricing-envoy answers CreateQuote
            pricing answers CreateQuote: BEGIN COMMIT idempotency_answer idempotency_claim items_find quotes_book quotes_insert
      shipping asks PlanSourcing
        shipping-envoy asks PlanSourcing
          inventory-envoy answers PlanSourcing
            inventory answers PlanSourcing: catalogue_read stock_read`.trim();

/** PlaceShipment. */
const PLACE = `
edge answers PlaceShipment
  shipping-envoy answers PlaceShipment
    shipping answers PlaceShipment: BEGIN COMMIT changes_append checkout_read saga_begin saga_lock saga_move saga_of_request saga_outcome saga_read_begun shipment_begin shipment_change
      shipping asks AcceptQuote
        shipping-envoy asks AcceptQuote
          pricing-envoy answers AcceptQuote
            pricing answers AcceptQuote: BEGIN COMMIT idempotency_answer idempotency_claim quotes_accept quotes_read
      shipping asks ConfirmReservation
        shipping-envoy asks ConfirmReservation
          inventory-envoy answers ConfirmReservation
            inventory answers ConfirmReservation: BEGIN COMMIT changes_append idempotency_answer idempotency_claim reservation_confirm reservation_read
      shipping asks CreateReservation
        shipping-envoy asks CreateReservation
          inventory-envoy answers CreateReservation
            inventory answers CreateReservation: reserve_planned`.trim();

/** What the saga asks for, in this order. */
const SAGA = ['CreateReservation', 'AcceptQuote', 'ConfirmReservation'];

describe('one checkout', () => {
  test('is one connected tree for each request, known by one id everywhere, and says nothing of the customer', async () => {
    const token = await mesh.token({ subject: `customer-${randomUUID()}` });
    const customer = await callerOf(mesh, { token });
    await untilPricingKnows(BASKET.map(({ sku }) => sku));
    // The first call on cold connections may be tried twice.
    await buy(customer);
    const { prepared, placed, unsaid } = await order(customer);
    const offer = await traceOf(customer, prepared, ({ spans }) => asText(spans) === PREPARE);
    const placing = await traceOf(customer, placed, ({ spans }) => asText(spans) === PLACE);
    expect(asText(offer.spans)).toBe(PREPARE);
    expect(asText(placing.spans)).toBe(PLACE);
    const asked = placing.spans.filter((span) => span.serviceName === 'shipping' && span.kind === SpanKind.CLIENT);
    expect(
      asked
        .filter((span) => !isStatement(span))
        .sort(byStart)
        .map(shortName),
    ).toEqual(SAGA);
    await expectWhole(prepared, offer);
    await expectWhole(placed, placing);
    const words = wordsOf([...offer.spans, ...placing.spans]);
    for (const word of [...unsaid, token]) expect(words).not.toContain(word);
  });

  test('that is refused has a tree too, and its service says why', async () => {
    const customer = await callerOf(mesh);
    let traceId = '';
    const refused = { requestId: randomUUID(), lines: [{ sku: 'NO-SUCH-ITEM', quantity: 1n }], currencyCode: 'EUR' };
    const onHeader = (headers: Headers) => {
      traceId = headers.get(TRACE_HEADER) ?? '';
    };
    const checkout = customer.of(CheckoutService);
    const error = await failureOf(checkout.prepareCheckout({ ...refused, destination: BERLIN }, { onHeader }));
    expect(error).toMatchObject({ metadata: expect.any(Headers) });
    // A failed call has trailers only.
    traceId ||= (error as { metadata: Headers }).metadata.get(TRACE_HEADER) ?? '';
    const trace = await traceOf(customer, traceId);
    await expectWhole(traceId, trace);
    const own = trace.spans.find(({ serviceName, kind }) => serviceName === 'shipping' && kind === SpanKind.SERVER);
    expect(own?.attributes['weft.reason']).toBe('ITEM_NOT_FOUND');
  });
});

describe('a stranger', () => {
  test.each(['00', '01'])(
    'gets a trace of the edge’s own, whatever traceparent they send (flags %s)',
    async (flags) => {
      const foreign = randomUUID().replaceAll('-', '');
      const headers = { traceparent: `00-${foreign}-${foreign.slice(0, 16)}-${flags}`, tracestate: 'stranger=here' };
      const stranger = await callerOf(mesh, { scopes: 'none', headers: { ...headers, [TRACE_HEADER]: foreign } });
      let traceId = '';
      const onHeader = (answered: Headers) => {
        traceId = answered.get(TRACE_HEADER) ?? '';
      };
      await stranger.of(ItemService).getItem({ sku: 'KIT-CHEF-KNIFE-20' }, { onHeader });
      expect(traceId).not.toBe(foreign);
      const developer = await callerOf(mesh);
      const trace = await traceOf(developer, traceId);
      await expectWhole(traceId, trace);
      expect(wordsOf(trace.spans)).not.toContain('stranger');
      expect(reasonOf(await failureOf(developer.of(MeshService).getTrace({ traceId: foreign })))).toBe(
        'TRACE_NOT_FOUND',
      );
    },
  );
});

describe('another collector', () => {
  /** A real process of inventory, without a sidecar, and a call of it. */
  async function runInventory(variables: Record<string, string>): Promise<void> {
    const database = await testDatabase('inventory');
    onTestFinished(() => database.drop());
    const folder = mkdtempSync(join(tmpdir(), 'weft-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const listen = `unix:${join(folder, 'app.sock')}`;
    const env = { PATH: process.env.PATH ?? '', WEFT_WORKLOAD: 'inventory', WEFT_LISTEN: listen, ...variables };
    const child = spawn(process.execPath, [join(root, 'services', 'inventory', 'src', 'main.ts')], {
      env: { ...env, DATABASE_URL: database.url, NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'node') },
      stdio: 'ignore',
    });
    const exited = once(child, 'exit');
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await exited;
    });
    const items = connect(ItemService, { egress: listen, policy: policies });
    await waitFor('an answer of inventory', () => items.listItems({ pageSize: 1 }), WITHIN);
    // Leaving, it sends what is left.
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  }

  test('gets the spans and the metrics of a service, named by OTEL_EXPORTER_OTLP_ENDPOINT', async () => {
    const collector = await startCollector();
    onTestFinished(() => collector.end());
    await runInventory({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_METRICS_EXPORTER: 'otlp' });
    const spans = collector.spansAt('/v1/traces');
    const [answered] = spans.filter(({ name }) => name === 'weft.inventory.v1.ItemService/ListItems');
    expect(answered?.serviceName).toBe('inventory');
    expect(spans.some(({ parentSpanId }) => parentSpanId === answered?.spanId)).toBe(true);
    expect(collector.textAt('/v1/metrics')).toContain('rpc.server.call.duration');
    expect(collector.textAt('/v1/metrics')).toContain('weft.inventory.v1.ItemService/ListItems');
  });

  test('gets them at the very path that OTEL_EXPORTER_OTLP_TRACES_ENDPOINT names', async () => {
    const [general, traces] = [await startCollector(), await startCollector()];
    onTestFinished(() => Promise.all([general.end(), traces.end()]).then(() => {}));
    await runInventory({
      OTEL_EXPORTER_OTLP_ENDPOINT: general.url,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${traces.url}/here/please`,
    });
    expect(traces.spansAt('/here/please').map(({ name }) => name)).toContain('weft.inventory.v1.ItemService/ListItems');
    expect(general.spansAt('/v1/traces')).toEqual([]);
  });

  test('gets everything that a local mesh has to tell, Envoys included', async () => {
    const collector = await startCollector();
    onTestFinished(() => collector.end());
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url);
    vi.stubEnv('OTEL_METRIC_EXPORT_INTERVAL', '500');
    vi.stubEnv('OTEL_METRIC_EXPORT_TIMEOUT', '400');
    const own = await startOwnMesh({ sample: false });
    onTestFinished(() => own.end());
    const stranger = await callerOf(own.mesh, { scopes: 'none' });
    let traceId = '';
    const onHeader = (headers: Headers) => {
      traceId = headers.get(TRACE_HEADER) ?? '';
    };
    await stranger.of(ItemService).listItems({ pageSize: 1 }, { onHeader });
    const hops = () =>
      collector
        .spansAt('/v1/traces')
        .filter((span) => span.traceId === traceId && !span.name.startsWith('pg.'))
        .map(({ serviceName }) => serviceName)
        .sort();
    await waitFor('the spans at the collector', () => hops().length >= 3, WITHIN);
    expect(hops()).toEqual(['edge', 'inventory', 'inventory-envoy']);
    await waitFor(
      'the metrics at the collector',
      () => collector.textAt('/v1/metrics').includes('rpc.server.call.duration'),
      WITHIN,
    );
  });
});
