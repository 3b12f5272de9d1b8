/**
 * The mesh as it is this second: who calls whom, how often, how fast, with what result; as a drawing and as a table.
 */

import { Code, ConnectError } from '@connectrpc/connect';
import { MeshService, type Topology } from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import { useState } from 'react';
import { usePageTitle } from '../app/router.tsx';
import { formatClock, toMs } from '../format/measures.ts';
import { useRpc, useWatch } from '../rpc/context.ts';
import { explain } from '../rpc/explain.ts';
import { idleTimeoutMsOf, scopesOf } from '../rpc/policy.ts';
import { useSession } from '../session/session.ts';
import { ErrorNotice, ExplanationNotice, Heading, Loading } from '../ui/notices.tsx';
import { CallsTable } from './calls-table.tsx';
import { TopologyGraph } from './topology-graph.tsx';

export function MeshPage() {
  usePageTitle('Mesh');
  const rpc = useRpc();
  const { token } = useSession();
  const [topology, setTopology] = useState<Topology>();
  const watched = useWatch(token === undefined ? '' : 'topology', {
    open: (_token, signal) => rpc.mesh.watchTopology({}, { signal }),
    onMessage: (message) => {
      if (message.topology !== undefined) {
        setTopology(message.topology);
      }
    },
    idleTimeoutMs: idleTimeoutMsOf(MeshService.method.watchTopology),
  });
  return (
    <>
      <Heading>Mesh</Heading>
      {token === undefined && <SignInFirst />}
      {watched.status === 'refused' && <ErrorNotice error={watched.error} />}
      {token !== undefined && topology === undefined && watched.status !== 'refused' && (
        <Loading what="Looking at the mesh" />
      )}
      {topology !== undefined && (
        <>
          <p className="quiet">
            Calls of the last {topology.window && Math.round(toMs(topology.window) / 1_000)} seconds, seen by the
            callers' sidecars at {formatClock(topology.atTime)}.
          </p>
          <TopologyGraph topology={topology} />
          <Workloads topology={topology} />
          <CallsTable calls={topology.calls} />
        </>
      )}
    </>
  );
}

function SignInFirst() {
  const needed = scopesOf(MeshService.method.watchTopology).join(' or ');
  const explanation = explain(new ConnectError('', Code.Unauthenticated));
  return (
    <ExplanationNotice
      explanation={{
        ...explanation,
        action: `Sign in with a token that has the scope ${needed}, then come back here.`,
      }}
    />
  );
}

function Workloads({ topology }: { topology: Topology }) {
  return (
    <ul className="workload-list" aria-label="Workloads">
      {topology.workloads.map((workload) => (
        <li key={workload.name} data-workload={workload.name} data-live={workload.sidecarLive}>
          <strong>{workload.name}</strong>{' '}
          <span>
            {workload.sidecarLive ? 'answers' : 'does not answer'}
            {workload.services.length > 0 &&
              `, ${workload.services.length} ${workload.services.length === 1 ? 'service' : 'services'}`}
          </span>
        </li>
      ))}
    </ul>
  );
}
