/**
 * What a span says of itself.
 */

import { type Span, SpanKind } from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import { formatMs } from '../format/measures.ts';
import type { Row } from './tree.ts';

const KINDS: Readonly<Record<SpanKind, string>> = {
  [SpanKind.UNSPECIFIED]: 'unknown kind',
  [SpanKind.INTERNAL]: 'within the workload',
  [SpanKind.SERVER]: 'by the called',
  [SpanKind.CLIENT]: 'by the caller',
  [SpanKind.PRODUCER]: 'by the sender',
  [SpanKind.CONSUMER]: 'by the receiver',
};

/** On which side of a call a span was made. */
export function spanKind(kind: SpanKind): string {
  return KINDS[kind] ?? KINDS[SpanKind.UNSPECIFIED];
}

export function SpanDetails({ row, onClose }: { row: Row; onClose: () => void }) {
  const { span, startMs, durationMs } = row;
  return (
    <section className="span-details" aria-label="Span details" aria-live="polite">
      <div className="span-details-head">
        <h2>{span.name}</h2>
        <button type="button" className="button button-quiet" onClick={onClose}>
          Close
        </button>
      </div>
      <dl>
        {facts(span, startMs, durationMs).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <h3>Attributes</h3>
      <dl>
        {Object.entries(span.attributes)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
    </section>
  );
}

function facts(span: Span, startMs: number, durationMs: number): [string, string][] {
  return [
    ['service', span.serviceName],
    ['made', spanKind(span.kind)],
    ['status', span.failed ? `failed${span.statusMessage ? `: ${span.statusMessage}` : ''}` : 'OK'],
    ['began after', formatMs(startMs)],
    ['took', formatMs(durationMs)],
    ['span id', span.spanId],
  ];
}
