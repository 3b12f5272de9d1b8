/**
 * The body of a unary request or answer as it comes in: mostly in one piece, and never more of it than a message may have.
 */

import { ENVELOPE_HEAD_BYTES, envelopeBytes } from './envelope.ts';

const EMPTY = Buffer.alloc(0);

/** A body that is collected. */
export class UnaryBody {
  readonly #maxBytes: number;
  readonly #isEnveloped: boolean;
  #first: Uint8Array | undefined;
  /** All chunks, where there is more than one. */
  #more: Uint8Array[] | undefined;
  /** How many bytes have come. */
  receivedBytes = 0;

  /** @param readMaxBytes the largest message. @param isEnveloped whether it comes in an envelope, as in gRPC. */
  constructor(readMaxBytes: number, isEnveloped: boolean) {
    this.#maxBytes = isEnveloped ? readMaxBytes + ENVELOPE_HEAD_BYTES : readMaxBytes;
    this.#isEnveloped = isEnveloped;
  }

  /** Takes a piece. @returns whether all is as large as it may be; what an envelope announces counts before it comes. */
  add(chunk: Uint8Array): boolean {
    if (this.#first === undefined) {
      this.#first = chunk;
    } else {
      this.#more ??= [this.#first];
      this.#more.push(chunk);
    }
    this.receivedBytes += chunk.byteLength;
    const announced = this.#isEnveloped ? envelopeBytes(this.#more ?? [chunk]) : 0;
    return this.receivedBytes <= this.#maxBytes && announced <= this.#maxBytes;
  }

  /** What has come, piece by piece. */
  get chunks(): readonly Uint8Array[] {
    return this.#more ?? (this.#first === undefined ? [] : [this.#first]);
  }

  /** What has come, in one piece. */
  whole(): Uint8Array {
    return this.#more === undefined ? (this.#first ?? EMPTY) : Buffer.concat(this.#more);
  }

  /** Lets go of what has come. */
  forget(): void {
    this.#first = undefined;
    this.#more = undefined;
  }
}
