/**
 * Resume tokens of Watch streams: a place in the log of changes, and, while the first listing is under way, how far that has come.
 * They are bound to the stream and what it is narrowed to; another's are refused.
 */

import { createHash } from 'node:crypto';
import { fail } from '../errors/fail.ts';
import type { Cursor } from './changes.ts';

/** Where a stream goes on. */
export type Place = {
  readonly cursor: Cursor;
  /** Where the listing goes on; undefined when it is complete. */
  readonly listAfter?: string | undefined;
};

const SCOPE_BYTES = 9;
const CURSOR_BYTES = 16;
const PLACE_BYTES = SCOPE_BYTES + CURSOR_BYTES;
/** What stands between the cursor and a position of the listing. */
const LISTING = 1;
const INT64_MAX = 2n ** 63n - 1n;

/** Seals and opens the tokens of one stream. */
export class ResumeTokens {
  readonly #scope: Buffer;
  readonly #position: RegExp;

  /**
   * @param scope what the stream is, and what it is narrowed to.
   * @param position what a position of its listing looks like, the empty one of the beginning aside.
   */
  constructor(scope: string, position: RegExp) {
    this.#scope = createHash('sha256').update(scope).digest().subarray(0, SCOPE_BYTES);
    this.#position = position;
  }

  seal({ cursor, listAfter }: Place): string {
    const position = listAfter === undefined ? [] : [Buffer.of(LISTING), Buffer.from(listAfter)];
    const bytes = Buffer.concat([this.#scope, Buffer.alloc(CURSOR_BYTES), ...position]);
    bytes.writeBigUInt64BE(cursor.transaction, SCOPE_BYTES);
    bytes.writeBigUInt64BE(cursor.position, SCOPE_BYTES + 8);
    return bytes.toString('base64url');
  }

  /** @throws RESUME_TOKEN_INVALID */
  open(token: string): Place {
    const bytes = Buffer.from(token, 'base64url');
    if (bytes.length < PLACE_BYTES || !bytes.subarray(0, SCOPE_BYTES).equals(this.#scope)) {
      throw fail('RESUME_TOKEN_INVALID');
    }
    const transaction = bytes.readBigUInt64BE(SCOPE_BYTES);
    const position = bytes.readBigUInt64BE(SCOPE_BYTES + 8);
    if (transaction > INT64_MAX || position > INT64_MAX) {
      throw fail('RESUME_TOKEN_INVALID');
    }
    const cursor = { transaction, position };
    return bytes.length === PLACE_BYTES ? { cursor } : { cursor, listAfter: this.#listAfter(bytes) };
  }

  #listAfter(bytes: Buffer): string {
    const position = bytes.toString('utf8', PLACE_BYTES + 1);
    if (bytes[PLACE_BYTES] !== LISTING || (position !== '' && !this.#position.test(position))) {
      throw fail('RESUME_TOKEN_INVALID');
    }
    return position;
  }
}
