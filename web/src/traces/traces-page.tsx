/**
 * The latest traces, live, and what this page itself asked of the mesh.
 */

import { MeshService, type TraceSummary } from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import { type FormEvent, useRef, useState } from 'react';
import { Link, navigate, usePageTitle } from '../app/router.tsx';
import { useStore } from '../app/store.ts';
import { formatClock, formatDuration, formatMs } from '../format/measures.ts';
import { shortName } from '../format/names.ts';
import { recordedCalls } from '../rpc/calls.ts';
import { useQuery, useRpc, useWatch } from '../rpc/context.ts';
import { idleTimeoutMsOf } from '../rpc/policy.ts';
import { useSession } from '../session/session.ts';
import { Empty, ErrorNotice, Heading, Loading } from '../ui/notices.tsx';
import { workloadOf } from './tree.ts';

const SHOWN = 100;
const TRACE_ID = /^[0-9a-f]{32}$/;

export function TracesPage() {
  usePageTitle('Traces');
  const rpc = useRpc();
  const { token } = useSession();
  const [rootName, setRootName] = useState('');
  const [failedOnly, setFailedOnly] = useState(false);
  const query = useQuery(`traces ${token?.text} ${failedOnly} ${rootName}`, (signal) =>
    rpc.mesh.listTraces({ pageSize: SHOWN, rootName, failedOnly }, { signal }),
  );
  const [news, setNews] = useState<ReadonlyMap<string, TraceSummary>>(new Map());
  const listedSince = useRef(false);
  useWatch(token === undefined ? '' : 'traces', {
    open: (_token, signal) => {
      listedSince.current = false;
      return rpc.mesh.watchTraces({}, { signal });
    },
    onMessage: ({ event }) => {
      if (!listedSince.current) {
        // The stream tells of nothing that came before it.
        listedSince.current = true;
        query.reload();
      }
      if (event.case === 'changed') {
        const { value } = event;
        setNews((before) => newest(new Map(before).set(value.traceId, value)));
      }
    },
    idleTimeoutMs: idleTimeoutMsOf(MeshService.method.watchTraces),
  });
  const fits = (trace: TraceSummary) =>
    (!failedOnly || trace.failedSpanCount > 0) && trace.rootName.toLowerCase().includes(rootName.toLowerCase());
  const traces = [...newest(merge(query.data?.traces ?? [], [...news.values()].filter(fits))).values()];

  return (
    <>
      <Heading>Traces</Heading>
      <OpenTrace />
      <search className="search">
        <label>
          <span className="visually-hidden">RPC of the root span</span>
          <input
            type="search"
            placeholder="RPC, such as PlaceShipment"
            value={rootName}
            maxLength={200}
            onChange={(event) => setRootName(event.target.value)}
          />
        </label>
        <label className="check">
          <input type="checkbox" checked={failedOnly} onChange={(event) => setFailedOnly(event.target.checked)} />
          Failed only
        </label>
      </search>
      {query.error !== undefined && <ErrorNotice error={query.error} onRetry={query.reload} />}
      {query.data === undefined && query.loading && <Loading what="Fetching the latest traces" />}
      {query.data !== undefined && traces.length === 0 && <Empty title="No traces like that." />}
      {traces.length > 0 && <TraceTable traces={traces} />}
      <OwnCalls />
    </>
  );
}

function TraceTable({ traces }: { traces: readonly TraceSummary[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reached by the keyboard.
    <section className="table-scroll" tabIndex={0} aria-label="Latest traces, scrolls sideways">
      <table className="table">
        <thead>
          <tr>
            <th scope="col">Request</th>
            <th scope="col">Began</th>
            <th scope="col" className="number">
              Took
            </th>
            <th scope="col" className="number">
              Spans
            </th>
            <th scope="col">Through</th>
          </tr>
        </thead>
        <tbody>
          {traces.map((trace) => (
            <tr key={trace.traceId} data-trace={trace.traceId}>
              <th scope="row">
                <Link href={`/traces/${trace.traceId}`}>{shortName(trace.rootName) || trace.traceId}</Link>
                {trace.failedSpanCount > 0 && (
                  <span className="badge" data-tone="bad">
                    {trace.failedSpanCount} failed
                  </span>
                )}
              </th>
              <td>{formatClock(trace.startTime)}</td>
              <td className="number">{formatDuration(trace.duration)}</td>
              <td className="number">{trace.spanCount}</td>
              <td>
                <Workloads names={trace.serviceNames} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** The workloads that took part, as coloured words. */
function Workloads({ names }: { names: readonly string[] }) {
  return (
    <span className="workloads">
      {[...new Set(names.map(workloadOf))].map((workload) => (
        <span key={workload} className="workload" data-workload={workload}>
          {workload}
        </span>
      ))}
    </span>
  );
}

/** Opens a trace by its id. */
function OpenTrace() {
  const [problem, setProblem] = useState('');
  const open = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const id = String(new FormData(event.currentTarget).get('id')).trim().toLowerCase();
    if (TRACE_ID.test(id)) {
      navigate(`/traces/${id}`);
    } else {
      setProblem('A trace id has 32 hexadecimal digits.');
    }
  };
  return (
    <form className="open-trace" onSubmit={open} noValidate>
      <label htmlFor="trace-id">Trace id</label>
      <input
        id="trace-id"
        name="id"
        className="mono"
        autoComplete="off"
        spellCheck={false}
        maxLength={40}
        placeholder="as in the response header x-weft-trace-id"
        aria-invalid={problem !== ''}
        aria-describedby={problem === '' ? undefined : 'trace-id-problem'}
      />
      <button type="submit" className="button button-quiet">
        Open
      </button>
      {problem !== '' && (
        <p className="field-problem" id="trace-id-problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}

/** The calls of this page, each with its trace. */
function OwnCalls() {
  const calls = useStore(recordedCalls);
  return (
    <details className="own-calls">
      <summary>What this page asked of the mesh</summary>
      <ul>
        {calls.map((call) => (
          <li key={call.number}>
            {call.traceId === undefined ? (
              shortName(call.rpc)
            ) : (
              <Link href={`/traces/${call.traceId}`}>{shortName(call.rpc)}</Link>
            )}{' '}
            <span className="quiet">
              {formatMs(call.durationMs)}
              {call.failed && ', failed'}
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}

function merge(listed: readonly TraceSummary[], news: readonly TraceSummary[]): ReadonlyMap<string, TraceSummary> {
  return new Map([...listed, ...news].map((trace) => [trace.traceId, trace]));
}

/** The newest ones, newest first. */
function newest(traces: ReadonlyMap<string, TraceSummary>): ReadonlyMap<string, TraceSummary> {
  const startOf = ({ startTime }: TraceSummary) => Number(startTime?.seconds ?? 0) + (startTime?.nanos ?? 0) / 1e9;
  const sorted = [...traces.values()].sort((a, b) => startOf(b) - startOf(a)).slice(0, SHOWN);
  return new Map(sorted.map((trace) => [trace.traceId, trace]));
}
