/**
 * The waterfall: a tree of spans beside their bars, as an ARIA tree grid. Up and down go from span to span, left and right close,
 * open and climb, Home and End go to the ends, Enter shows what the span says of itself.
 */

import { type KeyboardEvent, useRef, useState } from 'react';
import { formatMs } from '../format/measures.ts';
import { shortName } from '../format/names.ts';
import { SpanDetails, spanKind } from './span-details.tsx';
import { isProxy, type Layout, type Row, ticks, workloadOf } from './tree.ts';

export function Waterfall({ layout }: { layout: Layout }) {
  const { rows, totalMs } = layout;
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [focused, setFocused] = useState(rows[0]?.span.spanId ?? '');
  const [selected, setSelected] = useState('');
  const grid = useRef<HTMLTableElement>(null);
  const visible = rows.filter(({ above }) => !above.some((id) => closed.has(id)));
  const at = Math.max(
    0,
    visible.findIndex(({ span }) => span.spanId === focused),
  );
  const chosen = rows.find(({ span }) => span.spanId === selected);

  const moveTo = (row: Row | undefined) => {
    if (row !== undefined) {
      setFocused(row.span.spanId);
      grid.current?.querySelector<HTMLElement>(`[data-span="${row.span.spanId}"]`)?.focus();
    }
  };
  const toggle = (id: string, close: boolean) => {
    const next = new Set(closed);
    if (close) {
      next.add(id);
    } else {
      next.delete(id);
    }
    setClosed(next);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const row = visible[at];
    if (row === undefined) {
      return;
    }
    const id = row.span.spanId;
    const open = row.childCount > 0 && !closed.has(id);
    switch (event.key) {
      case 'ArrowDown':
        moveTo(visible[at + 1]);
        break;
      case 'ArrowUp':
        moveTo(visible[at - 1]);
        break;
      case 'Home':
        moveTo(visible[0]);
        break;
      case 'End':
        moveTo(visible.at(-1));
        break;
      case 'ArrowRight':
        if (open) {
          moveTo(visible[at + 1]);
        } else {
          toggle(id, false);
        }
        break;
      case 'ArrowLeft':
        if (open) {
          toggle(id, true);
        } else {
          moveTo(visible.find(({ span }) => span.spanId === row.above.at(-1)));
        }
        break;
      case 'Enter':
      case ' ':
        setSelected(selected === id ? '' : id);
        break;
      case 'Escape':
        setSelected('');
        break;
      default:
        return;
    }
    event.preventDefault();
  };

  return (
    <div className="waterfall-and-details" data-details={chosen !== undefined}>
      <table
        className="waterfall"
        // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: a tree grid is a table by ARIA's own pattern.
        role="treegrid"
        aria-label="Spans of the trace"
        aria-rowcount={visible.length + 1}
        ref={grid}
        onKeyDown={onKeyDown}
      >
        <thead>
          <tr className="waterfall-head" aria-rowindex={1}>
            <th scope="col">Span</th>
            <th scope="col" className="waterfall-duration">
              Took
            </th>
            <th scope="col" className="waterfall-axis" aria-label="When">
              {ticks(totalMs).map((tick) => (
                <span key={tick} style={{ left: `${(tick / totalMs) * 100}%` }} data-edge={tick / totalMs > 0.94}>
                  {formatTick(tick)}
                </span>
              ))}
            </th>
          </tr>
        </thead>
        <tbody>
          {visible.map((row, index) => (
            <SpanRow
              key={row.span.spanId}
              row={row}
              index={index}
              totalMs={totalMs}
              open={!closed.has(row.span.spanId)}
              tabbable={index === at}
              selected={row.span.spanId === selected}
              onSelect={() => {
                setFocused(row.span.spanId);
                setSelected(selected === row.span.spanId ? '' : row.span.spanId);
              }}
              onToggle={() => toggle(row.span.spanId, !closed.has(row.span.spanId))}
            />
          ))}
        </tbody>
      </table>
      {chosen !== undefined && <SpanDetails row={chosen} onClose={() => setSelected('')} />}
    </div>
  );
}

function SpanRow({
  row,
  index,
  totalMs,
  open,
  tabbable,
  selected,
  onSelect,
  onToggle,
}: {
  row: Row;
  index: number;
  totalMs: number;
  open: boolean;
  tabbable: boolean;
  selected: boolean;
  onSelect: () => void;
  onToggle: () => void;
}) {
  const { span, level, startMs, durationMs, childCount } = row;
  const percent = (ms: number) => `${totalMs > 0 ? (ms / totalMs) * 100 : 0}%`;
  return (
    <tr
      className="span-row"
      data-span={span.spanId}
      data-workload={workloadOf(span.serviceName)}
      data-proxy={isProxy(span.serviceName)}
      data-failed={span.failed}
      aria-level={level}
      aria-posinset={row.position}
      aria-setsize={row.siblings}
      aria-rowindex={index + 2}
      aria-selected={selected}
      aria-expanded={childCount > 0 ? open : undefined}
      tabIndex={tabbable ? 0 : -1}
      onClick={onSelect}
    >
      <td className="span-name" style={{ paddingInlineStart: `${(level - 1) * 0.85}rem` }}>
        <span
          className="span-toggle"
          aria-hidden="true"
          onClick={(event) => {
            event.stopPropagation();
            onToggle();
          }}
        >
          {childCount > 0 && (open ? '▾' : '▸')}
        </span>
        <span className={row.continues ? 'visually-hidden' : 'span-service'}>{span.serviceName}</span>{' '}
        <span className="span-label" title={span.name}>
          {shortName(span.name)}
        </span>
        {span.failed && <span className="span-failed"> failed</span>}
        <span className="visually-hidden">, {spanKind(span.kind)}</span>
      </td>
      <td className="waterfall-duration">{formatMs(durationMs)}</td>
      <td className="span-track">
        <span className="visually-hidden">from {formatMs(startMs)} on</span>
        <span className="span-bar" style={{ left: percent(startMs), width: percent(durationMs) }} aria-hidden="true" />
      </td>
    </tr>
  );
}

function formatTick(ms: number): string {
  return ms === 0 ? '0' : ms >= 1_000 ? `${ms / 1_000} s` : `${Number(ms.toPrecision(3))} ms`;
}
