/**
 * Says whether what is shown is live.
 */

import { useStore } from '../app/store.ts';
import { openStreams } from '../rpc/context.ts';
import type { WatchStatus } from '../rpc/watch.ts';

const WORDS: Readonly<Record<WatchStatus, string>> = {
  connecting: 'connecting',
  live: 'live',
  reconnecting: 'reconnecting',
  paused: 'paused',
  refused: 'not live',
};

/** The stream that is worst off decides what is said. */
const WORST_FIRST: readonly WatchStatus[] = ['refused', 'reconnecting', 'connecting', 'paused', 'live'];

/** How all the page's streams are doing; nothing when there is none. */
export function LiveIndicator() {
  const streams = useStore(openStreams);
  const statuses = new Set(streams.values());
  const status = WORST_FIRST.find((candidate) => statuses.has(candidate));
  return (
    <span className="live" role="status" data-status={status ?? 'none'}>
      {status !== undefined && (
        <>
          <span className="live-dot" aria-hidden="true" />
          <span className="visually-hidden">Live data: </span>
          <span className="live-word">{WORDS[status]}</span>
        </>
      )}
    </span>
  );
}
