/** The placed order as a person reads it: what was bought, what each hop took, and what to try next. */
import { type Span, SpanKind } from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import type { Money } from '@weft/gen/weft/type/v1/money_pb.js';
import { formatMinorUnits } from '@weft/values/money';
import type { PlacedOrder } from './order.ts';

/** The order as a table. */
export function orderTable({ quote, rate, shipment }: PlacedOrder): string {
  const rows = quote.lines.map((line) => [String(line.quantity), line.name, money(line.amount?.gross)]);
  const shipping = quote.shipping;
  if (shipping !== undefined) {
    const days = rate === undefined ? '' : `, ${rate.minTransitDays} to ${rate.maxTransitDays} working days`;
    rows.push(['', `${shipping.name}${days}`, money(shipping.amount?.gross)]);
  }
  for (const tax of quote.taxes) {
    rows.push(['', `  ${tax.name} ${tax.ratePpm / 10_000} % of ${money(tax.net)}, included`, `(${money(tax.tax)})`]);
  }
  const widest = Math.max(...rows.map(([, name = '']) => name.length));
  const line = ([quantity = '', name = '', amount = '']: string[]) =>
    `  ${quantity.padStart(3)}  ${name.padEnd(widest)}  ${amount.padStart(12)}`;
  const total = line(['', 'To pay', money(quote.total)]);
  return [`  Order ${shipment.shipmentId}`, ...rows.map(line), `  ${'─'.repeat(total.length - 2)}`, total].join('\n');
}

/**
 * The trace as an indented tree, one line a hop. Statements are counted where they were run instead of being shown, and so is
 * everything else that is no hop between processes.
 */
export function hopTree(spans: readonly Span[]): string {
  const children = Map.groupBy(spans, (span) => span.parentSpanId);
  const lines: { text: string; ms: number }[] = [];
  const show = (span: Span, depth: number): void => {
    const inner: Span[] = [];
    const hops: Span[] = [];
    const sort = (child: Span): void => {
      if (isHop(child)) {
        hops.push(child);
        return;
      }
      inner.push(child);
      for (const grandchild of children.get(child.spanId) ?? []) sort(grandchild);
    };
    for (const child of children.get(span.spanId) ?? []) sort(child);
    const statements = inner.filter(isStatement);
    const statementMs = statements.reduce((sum, statement) => sum + milliseconds(statement), 0);
    const note = statements.length === 0 ? '' : `  (${statements.length} SQL, ${statementMs.toFixed(1)} ms)`;
    const failed = span.failed ? '  FAILED' : '';
    const text = `${'  '.repeat(depth)}${span.serviceName}  ${shortName(span.name)}${note}${failed}`;
    lines.push({ text, ms: milliseconds(span) });
    for (const hop of hops) show(hop, depth + 1);
  };
  const known = new Set(spans.map((span) => span.spanId));
  for (const root of spans.filter((span) => !known.has(span.parentSpanId))) show(root, 0);
  const widest = Math.max(0, ...lines.map(({ text }) => text.length));
  return lines.map(({ text, ms }) => `  ${text.padEnd(widest)}  ${ms.toFixed(1).padStart(8)} ms`).join('\n');
}

/** Lines for a terminal that work when pasted. */
export function grpcurlLines(edgeUrl: string, token: string, shipmentId: string): string {
  const address = new URL(edgeUrl).host;
  return [
    `grpcurl -plaintext ${address} list`,
    `grpcurl -plaintext -d '{"filter": "category:kitchen", "page_size": 2}' ${address} weft.inventory.v1.ItemService/ListItems`,
    `grpcurl -plaintext -H 'authorization: Bearer ${token}' -d '{"shipment_id": "${shipmentId}"}' ${address} weft.shipping.v1.ShipmentService/GetShipment`,
  ]
    .map((line) => `  ${line}`)
    .join('\n');
}

function isHop(span: Span): boolean {
  return !isStatement(span) && (span.kind === SpanKind.SERVER || span.kind === SpanKind.CLIENT);
}

function isStatement(span: Span): boolean {
  return 'db.system' in span.attributes || 'db.system.name' in span.attributes;
}

function milliseconds(span: Span): number {
  // Not the library's durationMs, which counts whole milliseconds.
  return Number(span.duration?.seconds ?? 0n) * 1000 + (span.duration?.nanos ?? 0) / 1e6;
}

/** `weft.shipping.v1.ShipmentService/PlaceShipment` without its package. */
function shortName(name: string): string {
  return name.replace(/^\/?(?:[a-z0-9_]+\.)+(?=[A-Z])/, '');
}

function money(amount: Money | undefined): string {
  return amount === undefined
    ? ''
    : `${formatMinorUnits(amount.minorUnits, amount.currencyCode)} ${amount.currencyCode}`;
}
