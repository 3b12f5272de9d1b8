/**
 * Gives every component the clients, and the hooks that call them: one answer (`useQuery`) or a stream of them (`useWatch`).
 */

import { createContext, use, useCallback, useEffect, useRef, useState } from 'react';
import { createStore } from '../app/store.ts';
import { session } from '../session/session.ts';
import type { Rpc } from './transport.ts';
import { type Place, type WatchStatus, watch } from './watch.ts';

export const RpcContext = createContext<Rpc | undefined>(undefined);

/** The clients. */
export function useRpc(): Rpc {
  const rpc = use(RpcContext);
  if (rpc === undefined) {
    throw new Error('useRpc is for components below RpcContext');
  }
  return rpc;
}

/** An answer that is awaited, or is there, or failed. While it is asked for again, the one before stays. */
export type Query<T> = {
  readonly data: T | undefined;
  readonly error: unknown;
  readonly loading: boolean;
  /** Asks again. */
  readonly reload: () => void;
};

/** Asks, and asks again when `key` changes; an empty key does not ask. What was asked before is cancelled. */
export function useQuery<T>(key: string, ask: (signal: AbortSignal) => Promise<T>): Query<T> {
  const [state, setState] = useState<{ key: string; data?: T; error?: unknown; loading: boolean }>({
    key: '',
    loading: key !== '',
  });
  const [round, setRound] = useState(0);
  const latest = useRef(ask);
  latest.current = ask;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `round` asks again with the same key.
  useEffect(() => {
    if (key === '') {
      setState({ key, loading: false });
      return;
    }
    const controller = new AbortController();
    setState((before) =>
      before.data === undefined ? { key, loading: true } : { key, data: before.data, loading: true },
    );
    latest.current(controller.signal).then(
      (data) => controller.signal.aborted || setState({ key, data, loading: false }),
      (error: unknown) => controller.signal.aborted || setState({ key, error, loading: false }),
    );
    return () => controller.abort();
  }, [key, round]);
  const reload = useCallback(() => setRound((before) => before + 1), []);
  return { data: state.data, error: state.error, loading: state.loading || state.key !== key, reload };
}

/** The streams that are open somewhere on the page, by a number, for the indicator in the page's header. */
export const openStreams = createStore<ReadonlyMap<number, WatchStatus>>(new Map());
let streamCount = 0;

/** Makes a function that tells the indicator how one stream is doing; `undefined` takes it out. */
export function announceStream(): (status: WatchStatus | undefined) => void {
  streamCount += 1;
  const number = streamCount;
  return (status) => {
    const streams = new Map(openStreams.get());
    if (status === undefined) {
      streams.delete(number);
    } else {
      streams.set(number, status);
    }
    openStreams.set(streams);
  };
}

/** How a watched stream is doing. */
export type Watched = { readonly status: WatchStatus; readonly error: unknown };

/** What `useWatch` watches. */
export type WatchHookOptions<Message> = {
  readonly open: (resumeToken: string, signal: AbortSignal) => AsyncIterable<Message>;
  readonly placeOf?: (message: Message) => Place;
  readonly onMessage: (message: Message) => void;
  readonly onStartOver?: () => void;
  readonly idleTimeoutMs: number;
};

/** Watches a stream while the component is shown and `key` is not empty; opens another when the key or the session changes. */
export function useWatch<Message>(key: string, options: WatchHookOptions<Message>): Watched {
  const [watched, setWatched] = useState<Watched>({ status: 'connecting', error: undefined });
  const latest = useRef(options);
  latest.current = options;
  useEffect(() => {
    if (key === '') {
      return;
    }
    let stop = () => {};
    const start = () => {
      stop();
      const controller = new AbortController();
      const announce = announceStream();
      stop = () => {
        controller.abort();
        announce(undefined);
      };
      const { placeOf } = latest.current;
      void watch<Message>({
        open: (token, signal) => latest.current.open(token, signal),
        ...(placeOf === undefined ? {} : { placeOf }),
        onMessage: (message) => latest.current.onMessage(message),
        onStartOver: () => latest.current.onStartOver?.(),
        onStatus: (status, error) => {
          announce(status);
          setWatched({ status, error });
        },
        idleTimeoutMs: latest.current.idleTimeoutMs,
        signal: controller.signal,
      });
    };
    start();
    const stopSession = session.subscribe(start);
    return () => {
      stopSession();
      stop();
    };
  }, [key]);
  return watched;
}
