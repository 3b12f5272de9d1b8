/**
 * Keeps a server stream open for as long as somebody looks at it. A stream that ends is opened again with the resume token of its
 * last message, after a wait that grows; history that is gone starts it over; a silent one counts as dead. While the tab is hidden or
 * the machine offline nothing is open: browsers allow six connections to an HTTP/1.1 origin, over all tabs together.
 *
 *     wait(n) = random(0.5 to 1) x min(30 s, 500 ms x 2^(n - 1)), n = failures in a row
 */

import { Code, ConnectError } from '@connectrpc/connect';
import { detailsOf } from './details.ts';

/** How a stream is doing. */
export type WatchStatus =
  /** First opening. */
  | 'connecting'
  /** Messages arrive. */
  | 'live'
  /** It broke and comes back by itself. */
  | 'reconnecting'
  /** Nobody looks, or the machine is offline. */
  | 'paused'
  /** It was refused and does not come back by itself. */
  | 'refused';

/** What to watch. */
export type WatchOptions<Message> = {
  /** Opens the stream; an empty token lists everything first. */
  readonly open: (resumeToken: string, signal: AbortSignal) => AsyncIterable<Message>;
  /** Where a message stands; absent for streams without tokens, which tell the whole state each time. */
  readonly placeOf?: (message: Message) => Place;
  readonly onMessage: (message: Message) => void;
  readonly onStatus: (status: WatchStatus, error?: unknown) => void;
  /** History is gone: forget what was told so far, everything is listed again. */
  readonly onStartOver?: () => void;
  /** After how long without a message the stream counts as dead, in milliseconds. */
  readonly idleTimeoutMs: number;
  /** Ends the watching. */
  readonly signal: AbortSignal;
  /** The world around; tests bring their own. */
  readonly surroundings?: Surroundings;
};

/** Where a message stands in its stream. */
export type Place = {
  /** What to resume from after it. */
  readonly token: string;
  /** Whether it says that all there was has been told. */
  readonly isBookmark: boolean;
};

/** The place of a message of any stream that can be resumed. */
export function placeIn({ resumeToken, event }: { resumeToken: string; event: { case?: string | undefined } }): Place {
  return { token: resumeToken, isBookmark: event.case === 'bookmark' };
}

/** What watching needs to know of the world. */
export type Surroundings = {
  /** Whether somebody looks and the machine is online. */
  readonly isActive: () => boolean;
  /** Calls back whenever that may have changed; returns how to stop that. */
  readonly onActivity: (listener: () => void) => () => void;
  /** Between 0 and 1. */
  readonly random: () => number;
  /** Resolves after a while, or when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
};

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;

/** A tab that was left for less than this keeps its streams: most looks elsewhere are short. */
const HIDDEN_GRACE_MS = 10_000;

/** How long to wait before the next opening, in milliseconds, after so many failures in a row. */
export function waitMs(failures: number, random: number): number {
  return (0.5 + random / 2) * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1));
}

/** Watches until `signal` aborts or the stream is refused. Never throws: what happens is told by `onStatus`. */
export async function watch<Message>(options: WatchOptions<Message>): Promise<void> {
  const { signal, surroundings = browser } = options;
  let token = '';
  let failures = 0;
  let status: WatchStatus = 'connecting';
  const tell = (next: WatchStatus, error?: unknown) => {
    status = next;
    if (!signal.aborted) {
      options.onStatus(next, error);
    }
  };

  tell('connecting');
  while (!signal.aborted) {
    if (!surroundings.isActive()) {
      tell('paused');
      await untilActive(surroundings, signal);
      failures = 0;
      continue;
    }
    const attempt = new AbortController();
    const ended = await readOnce(options, token, attempt, (message) => {
      const place = options.placeOf?.(message);
      token = place?.token ?? '';
      failures = 0;
      // Until the first bookmark, what is shown is not yet all.
      if (status !== 'live' && (place === undefined || place.isBookmark)) {
        tell('live');
      }
      options.onMessage(message);
    });
    if (signal.aborted || ended.why === 'inactive') {
      continue;
    }
    const next = decide(ended.error);
    if (next === 'refused') {
      tell('refused', ended.error);
      return;
    }
    if (next === 'start over') {
      token = '';
      options.onStartOver?.();
    }
    failures += 1;
    // A stream that the server ends in good order, after it worked, is opened again at once and without alarm.
    const inGoodOrder = next === 'resume' && failures === 1;
    if (!inGoodOrder) {
      tell('reconnecting', ended.error);
    }
    const ms = inGoodOrder ? surroundings.random() * 200 : waitMs(failures, surroundings.random());
    await surroundings.sleep(ms, signal);
  }
}

type Ended = { readonly why: 'inactive' | 'broken'; readonly error?: unknown };

/** Reads one opening of the stream to its end. */
async function readOnce<Message>(
  options: WatchOptions<Message>,
  token: string,
  attempt: AbortController,
  onMessage: (message: Message) => void,
): Promise<Ended> {
  const { signal, idleTimeoutMs, surroundings = browser } = options;
  const stop = () => attempt.abort();
  signal.addEventListener('abort', stop, { once: true });
  const stopListening = surroundings.onActivity(() => {
    if (!surroundings.isActive()) {
      attempt.abort('inactive');
    }
  });
  let idle = setTimeout(stop, idleTimeoutMs);
  try {
    for await (const message of options.open(token, attempt.signal)) {
      clearTimeout(idle);
      idle = setTimeout(stop, idleTimeoutMs);
      onMessage(message);
    }
    return { why: 'broken', error: undefined };
  } catch (error) {
    return { why: attempt.signal.reason === 'inactive' ? 'inactive' : 'broken', error };
  } finally {
    clearTimeout(idle);
    stopListening();
    signal.removeEventListener('abort', stop);
    attempt.abort();
  }
}

/** What an end of the stream calls for. */
function decide(error: unknown): 'resume' | 'retry' | 'start over' | 'refused' {
  if (error === undefined) {
    return 'resume';
  }
  const { reason } = detailsOf(error);
  if (reason === 'STREAM_ENDED' || reason === 'WATCHER_TOO_SLOW') {
    return 'resume';
  }
  const code = error instanceof ConnectError ? error.code : Code.Unknown;
  if (code === Code.OutOfRange || reason === 'RESUME_TOKEN_INVALID') {
    return 'start over';
  }
  return REFUSALS.has(code) ? 'refused' : 'retry';
}

const REFUSALS: ReadonlySet<Code> = new Set([
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.InvalidArgument,
  Code.NotFound,
  Code.Unimplemented,
]);

function untilActive(surroundings: Surroundings, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const check = () => {
      if (signal.aborted || surroundings.isActive()) {
        stop();
        signal.removeEventListener('abort', check);
        resolve();
      }
    };
    const stop = surroundings.onActivity(check);
    signal.addEventListener('abort', check);
    check();
  });
}

let hiddenSinceMs: number | undefined;

/** The browser that this page is shown in. */
const browser: Surroundings = {
  isActive: () =>
    navigator.onLine && (!document.hidden || Date.now() - (hiddenSinceMs ?? Date.now()) < HIDDEN_GRACE_MS),
  onActivity(listener) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const onVisibility = () => {
      clearTimeout(timer);
      hiddenSinceMs = document.hidden ? (hiddenSinceMs ?? Date.now()) : undefined;
      if (document.hidden) {
        timer = setTimeout(listener, HIDDEN_GRACE_MS + 50);
      }
      listener();
    };
    onVisibility();
    document.addEventListener('visibilitychange', onVisibility);
    addEventListener('online', listener);
    addEventListener('offline', listener);
    return () => {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisibility);
      removeEventListener('online', listener);
      removeEventListener('offline', listener);
    };
  },
  random: Math.random,
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
    }),
};
