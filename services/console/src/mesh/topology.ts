/**
 * The RPCs about the topology.
 */

import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  GetTopologyResponseSchema,
  type MeshService,
  WatchTopologyResponseSchema,
} from '@weft/gen/weft/console/v1/mesh_service_pb.js';
import type { PolicyTable } from '@weft/runtime/policy';
import { toTopology } from '../topology/topology.ts';
import type { EnvoyWatcher } from '../topology/watcher.ts';
import { happens } from './happens.ts';

/** Longest that a stream waits for a round of the watcher before it tells the topology again, in milliseconds. */
const ROUND_MAX_MS = 5_000;

/** Implements GetTopology and WatchTopology. */
export function topologyRpcs(
  watcher: EnvoyWatcher,
  policy: PolicyTable,
): Pick<ServiceImpl<typeof MeshService>, 'getTopology' | 'watchTopology'> {
  return {
    getTopology: () => create(GetTopologyResponseSchema, { topology: toTopology(watcher.views(), policy) }),

    async *watchTopology(_request, { signal }) {
      while (!signal.aborted) {
        yield create(WatchTopologyResponseSchema, { topology: toTopology(watcher.views(), policy) });
        await happens(watcher, 'sampled', ROUND_MAX_MS, signal);
      }
    },
  };
}
