/**
 * How every unary RPC that changes something is carried out: effect, idempotency key and change in one transaction.
 */

import type { DescMessage, DescMethodUnary, MessageShape } from '@bufbuild/protobuf';
import { once } from '@weft/runtime/data/idempotency';
import { type Sql, transaction } from '@weft/runtime/data/pool';
import { currentCall } from '@weft/runtime/server/call';
import type { Pool } from 'pg';

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

/** Who is behind the current call, for the ledger: a token's subject, else the calling workload. */
export function actor(): string {
  const caller = currentCall()?.caller;
  return caller?.subject ?? caller?.workload ?? '';
}
