/**
 * Takes the spans that end and exports them by OTLP over HTTP in Protobuf.
 *
 * It stands in the place of the SDK's BatchSpanProcessor and exporter because these keep the span objects until a batch is full.
 * By then the objects have survived young collections, and to trace every call of a busy server costs more in the collector of
 * garbage, and in serialising what it has moved about, than in all the rest. Here a span becomes bytes as it ends, and dies young.
 */

import { TraceFlags } from '@opentelemetry/api';
import { Output } from '../../codec/output.ts';
import { log } from '../../log.ts';
import { detached } from '../../server/call.ts';
import { type Post, postTo } from './post.ts';
import type { OtlpSettings } from './settings.ts';
import { type EndedSpan, exportBytes, type Origin, type SpanProcessor, writeSpan } from './span-bytes.ts';

type Scope = Origin['instrumentationScope'];
/** Spans that are sent together. */
type Batch = {
  readonly scopes: readonly { readonly scope: Scope; readonly spans: Uint8Array }[];
  readonly spans: number;
  readonly bytes: number;
};

/** For `forceFlush` and `shutdown`, so that they end within 2 s. */
const FLUSH_MAX_MS = 1_800;
/** Between two lines of the log about spans that were lost. */
const COMPLAINT_MS = 60_000;
/** Bytes of spans that wait at most, for those whose attributes are long. */
const QUEUE_MAX_BYTES = 16 * 1024 * 1024;
/** A batch of long spans is sent before it has its number. */
const BATCH_MAX_BYTES = 1024 * 1024;

/** The processor of a process's spans. */
export class OtlpProcessor implements SpanProcessor {
  readonly #settings: OtlpSettings;
  readonly #post: Post;
  /** The spans of the batch that is being filled, by scope. */
  readonly #open = new Map<Scope, Output>();
  #openSpans = 0;
  #openBytes = 0;
  #resource: Origin['resource'] | undefined;
  /** Batches that wait to be sent. */
  #sealed: Batch[] = [];
  #sealedSpans = 0;
  #sealedBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #isOver = false;
  #watch: ((span: Origin) => void) | undefined;
  readonly #giveUp = new AbortController();
  /** Spans lost since the log last said so. */
  #lost = 0;
  #complainedMs = Number.NEGATIVE_INFINITY;

  constructor(settings: OtlpSettings) {
    this.#settings = settings;
    this.#post = postTo(settings);
  }

  onStart(span: Origin): void {
    this.#watch?.(span);
  }

  /** The origin of the span that `start` starts; undefined when that is another SDK's. */
  originOf(start: () => void): Origin | undefined {
    let origin: Origin | undefined;
    this.#watch = ({ resource, instrumentationScope }) => {
      origin = { resource, instrumentationScope };
    };
    start();
    this.#watch = undefined;
    return origin;
  }

  onEnd(span: EndedSpan): void {
    if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0) {
      this.take(span, span, writeSpan);
    }
  }

  /** Takes a sampled span in whatever form `write` knows. */
  take<T>(origin: Origin, span: T, write: (out: Output, span: T) => void): void {
    if (this.#isOver) {
      return;
    }
    const { queueMax, batchMax, delayMs } = this.#settings;
    if (this.#openSpans + this.#sealedSpans >= queueMax || this.#openBytes + this.#sealedBytes >= QUEUE_MAX_BYTES) {
      this.#lose(1, 'the queue is full');
      return;
    }
    const out = this.#outputOf(origin);
    const before = out.at;
    try {
      write(out, span);
    } catch (error) {
      out.at = before;
      this.#lose(1, String(error));
      return;
    }
    this.#openSpans += 1;
    this.#openBytes += out.at - before;
    if (this.#openSpans >= batchMax || this.#openBytes >= BATCH_MAX_BYTES) {
      this.#seal();
      this.#send();
    } else if (this.#timer === undefined) {
      this.#timer = detached(() => setTimeout(this.#due, delayMs)).unref();
    }
  }

  async forceFlush(): Promise<void> {
    this.#seal();
    this.#send();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, FLUSH_MAX_MS);
    await Promise.race([this.#sending, promise]);
    clearTimeout(timer);
  }

  /** Sends what is left, for at most 2 s. */
  async shutdown(): Promise<void> {
    this.#isOver = true;
    await this.forceFlush();
    this.#giveUp.abort();
    await this.#sending;
  }

  readonly #due = (): void => {
    this.#seal();
    this.#send();
  };

  #outputOf({ instrumentationScope, resource }: Origin): Output {
    // One provider has one resource.
    this.#resource = resource;
    let out = this.#open.get(instrumentationScope);
    if (out === undefined) {
      out = new Output();
      out.start(0);
      this.#open.set(instrumentationScope, out);
    }
    return out;
  }

  /** Closes the batch that is being filled. */
  #seal(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#openSpans === 0) {
      return;
    }
    const scopes = [...this.#open].map(([scope, out]) => ({ scope, spans: out.finish() }));
    this.#sealed.push({ scopes, spans: this.#openSpans, bytes: this.#openBytes });
    this.#sealedSpans += this.#openSpans;
    this.#sealedBytes += this.#openBytes;
    this.#openSpans = 0;
    this.#openBytes = 0;
    this.#open.clear();
  }

  #send(): void {
    const resource = this.#resource;
    if (this.#sealed.length > 0 && resource !== undefined) {
      this.#sending ??= detached(() => this.#sendAll(resource));
    }
  }

  /** One after the other: to send more at a time would only press a collector that is slow already. */
  async #sendAll(resource: Origin['resource']): Promise<void> {
    await resource.waitForAsyncAttributes?.();
    for (let batch = this.#sealed.shift(); batch !== undefined; batch = this.#sealed.shift()) {
      this.#sealedSpans -= batch.spans;
      this.#sealedBytes -= batch.bytes;
      const { signal } = this.#giveUp;
      const failure = signal.aborted
        ? 'the process ends'
        : await this.#post(exportBytes(resource, batch.scopes), signal);
      if (failure !== undefined) {
        this.#lose(batch.spans, failure);
      }
    }
    this.#sending = undefined;
  }

  #lose(spans: number, reason: string): void {
    this.#lost += spans;
    const nowMs = performance.now();
    if (nowMs - this.#complainedMs >= COMPLAINT_MS) {
      log.warn('spans were lost', { spans: this.#lost, reason });
      this.#complainedMs = nowMs;
      this.#lost = 0;
    }
  }
}
