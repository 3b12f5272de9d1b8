/**
 * Looks whether a request was answered before, for work that asks other workloads first and stores its response at the end: no
 * connection to the database is held while others are asked.
 */

import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { type OnceOptions, once } from '@weft/runtime/data/idempotency';
import { transaction } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';

/**
 * The first response to this request; undefined when there is none yet.
 *
 * @throws REQUEST_ID_REUSED when the key came with another request.
 */
export async function firstAnswer<Req extends DescMessage, Res extends DescMessage>(
  pool: Pool,
  options: OnceOptions<Req, Res>,
): Promise<MessageShape<Res> | undefined> {
  const unanswered = new Error('not answered before');
  try {
    // An effect that throws leaves no key behind, so a new request stays new.
    return await transaction(pool, (tx) => once(tx, options, () => Promise.reject(unanswered)));
  } catch (error) {
    if (error === unanswered) {
      return undefined;
    }
    throw error;
  }
}
