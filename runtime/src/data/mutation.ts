/**
 * How every unary RPC that changes something is carried out: effect, idempotency key and change in one transaction.
 */

import type { DescMessage, DescMethodUnary, MessageShape } from '@bufbuild/protobuf';
import type { Pool } from 'pg';
import { currentCall } from '../server/call.ts';
import { once } from './idempotency.ts';
import { type Sql, transaction } from './pool.ts';

/**
 * Runs `effect` once for a request, however often that is repeated, and gives its response.
 *
 * @throws REQUEST_ID_REUSED, and what `effect` throws.
 */
export function mutate<In extends DescMessage, Out extends DescMessage>(
  pool: Pool,
  method: DescMethodUnary<In, Out>,
  request: MessageShape<In> & { readonly requestId: string },
  effect: (tx: Sql) => Promise<MessageShape<Out>>,
): Promise<MessageShape<Out>> {
  const key = {
    rpc: `${method.parent.typeName}/${method.name}`,
    requestId: request.requestId,
    requestSchema: method.input,
    request,
    responseSchema: method.output,
  };
  return transaction(pool, (tx) => once(tx, key, () => effect(tx)));
}

/** Who is behind the current call, for records: a token's subject, else the calling workload. */
export function actor(): string {
  const caller = currentCall()?.caller;
  return caller?.subject ?? caller?.workload ?? '';
}
