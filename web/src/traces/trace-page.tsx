/**
 * One trace as a waterfall.
 */

import { Fragment, useMemo } from 'react';
import { Link, usePageTitle } from '../app/router.tsx';
import { formatInstant, formatMs } from '../format/measures.ts';
import { shortName } from '../format/names.ts';
import { useQuery, useRpc } from '../rpc/context.ts';
import { useSession } from '../session/session.ts';
import { ErrorNotice, Heading, Loading } from '../ui/notices.tsx';
import { layOut, workloadOf } from './tree.ts';
import { Waterfall } from './waterfall.tsx';

/** Spans leave the sidecars in batches; a trace that was just made needs this long to be whole. */
const WAIT = { seconds: 8n, nanos: 0 };

export function TracePage({ id }: { id: string }) {
  usePageTitle(`Trace ${id.slice(0, 8)}`);
  const rpc = useRpc();
  const { token } = useSession();
  const query = useQuery(`trace ${id} ${token?.text}`, (signal) =>
    rpc.mesh.getTrace({ traceId: id, wait: WAIT }, { signal }),
  );
  const trace = query.data?.trace;
  const layout = useMemo(() => layOut(trace?.spans ?? []), [trace]);
  const workloads = [...new Set(trace?.spans.map((span) => workloadOf(span.serviceName)))].sort();
  const root = layout.rows[0]?.span;
  const failed = trace?.spans.filter((span) => span.failed).length ?? 0;
  return (
    <>
      <Heading
        aside={
          <button type="button" className="button button-quiet" onClick={query.reload} disabled={query.loading}>
            {query.loading ? 'Fetching…' : 'Fetch again'}
          </button>
        }
      >
        {root === undefined ? 'Trace' : <Breakable text={shortName(root.name)} />}
      </Heading>
      <p className="quiet">
        <code className="break">{id}</code>
      </p>
      {query.error !== undefined && (
        <ErrorNotice error={query.error} onRetry={query.reload}>
          <p>
            <Link href="/traces">The latest traces</Link>
          </p>
        </ErrorNotice>
      )}
      {trace === undefined && query.loading && <Loading what="Waiting for the spans" />}
      {trace !== undefined && (
        <>
          <dl className="figures">
            <Figure name="Took" value={formatMs(layout.totalMs)} />
            <Figure name="Spans" value={String(trace.spans.length)} />
            <Figure name="Failed" value={String(failed)} bad={failed > 0} />
            <Figure name="Began" value={formatInstant(root?.startTime)} />
          </dl>
          {query.data?.complete === false && (
            <p className="notice" role="status">
              Some spans have not arrived yet. Fetch it again in a moment.
            </p>
          )}
          {trace.droppedSpanCount > 0 && (
            <p className="notice" role="status">
              {trace.droppedSpanCount} spans were thrown away, because the trace had too many.
            </p>
          )}
          <ul className="legend" aria-label="Workloads">
            {workloads.map((workload) => (
              <li key={workload} data-workload={workload}>
                <span className="swatch" aria-hidden="true" />
                {workload}
              </li>
            ))}
            <li className="legend-proxy">
              <span className="swatch swatch-proxy" aria-hidden="true" />
              in a proxy
            </li>
          </ul>
          <Waterfall layout={layout} key={trace.spans.length} />
        </>
      )}
    </>
  );
}

/** A long name that may break after a slash. */
function Breakable({ text }: { text: string }) {
  return text.split(/(?<=\/)/).map((part, index) => (
    <Fragment key={`${part} ${String(index)}`}>
      {index > 0 && <wbr />}
      {part}
    </Fragment>
  ));
}

function Figure({ name, value, bad = false }: { name: string; value: string; bad?: boolean }) {
  return (
    <div data-bad={bad}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
