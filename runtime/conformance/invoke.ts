/**
 * Makes the call that the suite describes and reports what came of it. What the steps of each kind of call are stands in the
 * suite's docs/testing_clients.md; everything that the call itself fails with is part of the report.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { type CallOptions, type Client, ConnectError } from '@connectrpc/connect';
import { Outgoing } from '../interop/outgoing.ts';
import { addHeaders, listHeaders, suiteError } from './convert.ts';
import {
  type BidiStreamRequest,
  BidiStreamRequestSchema,
  type ClientCompatRequest,
  type ClientResponseResult,
  ClientResponseResultSchema,
  ClientStreamRequestSchema,
  type ConformancePayload,
  ConformancePayloadSchema,
  type ConformanceService,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  UnaryRequestSchema,
  UnimplementedRequestSchema,
} from './messages.ts';
import { StreamType } from './names.ts';

type ConformanceClient = Client<typeof ConformanceService>;

/** When to cancel a call. */
type Cancel = {
  readonly beforeClose: boolean;
  readonly afterCloseMs: number | undefined;
  readonly afterAnswers: number;
};

/** One call while it is made. */
class Running {
  readonly asked: ClientCompatRequest;
  readonly cancel: Cancel;
  readonly result = create(ClientResponseResultSchema);
  readonly options: CallOptions;
  readonly #controller = new AbortController();

  constructor(asked: ClientCompatRequest) {
    this.asked = asked;
    this.cancel = cancelOf(asked);
    const headers = new Headers();
    addHeaders(headers, asked.requestHeaders);
    this.options = {
      headers,
      signal: this.#controller.signal,
      ...(asked.timeoutMs === undefined ? {} : { timeoutMs: asked.timeoutMs }),
      onHeader: (header) => {
        this.result.responseHeaders = listHeaders(header);
      },
      onTrailer: (trailer) => {
        this.result.responseTrailers = listHeaders(trailer);
      },
    };
  }

  abort(): void {
    this.#controller.abort();
  }

  /** Waits as long as each message is to be held back. */
  pause(): Promise<void> {
    return delay(this.asked.requestDelayMs);
  }

  /** The requests, as messages of a type. @throws Error when they are of another. */
  messages<Desc extends DescMessage>(schema: Desc): MessageShape<Desc>[] {
    return this.asked.requestMessages.map((any) => {
      const message = anyUnpack(any, schema);
      if (message === undefined) {
        throw new Error(`a request is a ${any.typeUrl} and should be a ${schema.typeName}`);
      }
      return message;
    });
  }

  /** The one request of a call that has one. */
  message<Desc extends DescMessage>(schema: Desc): MessageShape<Desc> {
    const [message, ...more] = this.messages(schema);
    if (message === undefined || more.length > 0) {
      throw new Error(`${this.asked.requestMessages.length} requests, where one is wanted`);
    }
    return message;
  }

  /** All requests are sent, and nothing more will be. */
  closed(): void {
    if (this.cancel.afterCloseMs !== undefined) {
      setTimeout(() => this.abort(), this.cancel.afterCloseMs);
    }
  }

  received(payload: ConformancePayload | undefined): void {
    this.result.payloads.push(payload ?? create(ConformancePayloadSchema));
    if (this.result.payloads.length === this.cancel.afterAnswers) {
      this.abort();
    }
  }

  failed(error: unknown): void {
    const connectError = ConnectError.from(error);
    const metadata = listHeaders(connectError.metadata);
    this.result.error = suiteError(connectError);
    // An error does not say what of its metadata came first and what last.
    if (this.result.responseHeaders.length === 0) {
      this.result.responseHeaders = metadata;
    }
    this.result.responseTrailers = metadata;
  }
}

/**
 * Makes a call.
 *
 * @throws Error when it is described in a way that this program cannot follow; never for what comes of it.
 */
export async function invoke(client: ConformanceClient, asked: ClientCompatRequest): Promise<ClientResponseResult> {
  const running = new Running(asked);
  const make = callOf(client, running);
  try {
    await make();
  } catch (error) {
    running.failed(error);
  }
  return running.result;
}

/** The call, its requests already taken apart: what is wrong with them is no result. */
function callOf(client: ConformanceClient, running: Running): () => Promise<void> {
  switch (running.asked.method) {
    case 'Unary': {
      const request = running.message(UnaryRequestSchema);
      return () => once(running, (options) => client.unary(request, options));
    }
    case 'IdempotentUnary': {
      const request = running.message(IdempotentUnaryRequestSchema);
      return () => once(running, (options) => client.idempotentUnary(request, options));
    }
    case 'Unimplemented': {
      const request = running.message(UnimplementedRequestSchema);
      return async () => void (await client.unimplemented(request, running.options));
    }
    case 'ServerStream': {
      const request = running.message(ServerStreamRequestSchema);
      return async () => {
        await running.pause();
        const answers = client.serverStream(request, running.options);
        running.closed();
        for await (const { payload } of answers) {
          running.received(payload);
        }
      };
    }
    case 'ClientStream': {
      const requests = running.messages(ClientStreamRequestSchema);
      return async () => {
        const { payload } = await client.clientStream(sendEach(running, requests), running.options);
        running.received(payload);
      };
    }
    case 'BidiStream': {
      const requests = running.messages(BidiStreamRequestSchema);
      return () => talk(client, running, requests);
    }
    default:
      throw new Error(`the suite asks for ${running.asked.method}, which is not known here`);
  }
}

async function once(
  running: Running,
  call: (options: CallOptions) => Promise<{ payload?: ConformancePayload | undefined }>,
): Promise<void> {
  await running.pause();
  running.closed();
  const { payload } = await call(running.options);
  running.received(payload);
}

async function* sendEach<T>(running: Running, requests: readonly T[]): AsyncGenerator<T> {
  for (const request of requests) {
    await running.pause();
    yield request;
  }
  if (running.cancel.beforeClose) {
    running.abort();
  }
  running.closed();
}

async function talk(
  client: ConformanceClient,
  running: Running,
  requests: readonly BidiStreamRequest[],
): Promise<void> {
  const outgoing = new Outgoing<BidiStreamRequest>();
  const answers = client.bidiStream(outgoing.read(), running.options)[Symbol.asyncIterator]();
  let over = false;
  const receive = async () => {
    const { done, value } = await answers.next();
    over = done === true;
    if (!over) {
      running.received(value.payload);
    }
  };
  for (const request of requests) {
    await running.pause();
    outgoing.push(request);
    if (running.asked.streamType === StreamType.FULL_DUPLEX_BIDI && !over) {
      await receive();
    }
  }
  if (running.cancel.beforeClose) {
    running.abort();
  }
  outgoing.close();
  running.closed();
  while (!over) {
    await receive();
  }
}

function cancelOf({ cancel }: ClientCompatRequest): Cancel {
  const timing = cancel?.cancelTiming;
  return {
    beforeClose: timing?.case === 'beforeCloseSend',
    // Without a timing: as soon as all is sent.
    afterCloseMs:
      timing?.case === 'afterCloseSendMs'
        ? timing.value
        : cancel !== undefined && timing?.case === undefined
          ? 0
          : undefined,
    afterAnswers: timing?.case === 'afterNumResponses' ? timing.value : -1,
  };
}
