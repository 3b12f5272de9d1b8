/**
 * Says that an order was sent whose outcome nobody knows, and finds out by sending the same request again.
 */

import { useState } from 'react';
import { useStore } from '../app/store.ts';
import { formatMoney } from '../format/money.ts';
import { useRpc } from '../rpc/context.ts';
import { ErrorNotice } from '../ui/notices.tsx';
import { finish, sender } from './place-order.tsx';
import { forgetPlacement, pendingPlacement, place, placementRunning } from './placement.ts';

export function PendingPlacement() {
  const rpc = useRpc();
  const pending = useStore(pendingPlacement);
  const running = useStore(placementRunning);
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState<unknown>();
  if (running && !asking) {
    return null;
  }
  if (pending === undefined) {
    return error === undefined ? null : <ErrorNotice error={error} />;
  }
  const ask = async () => {
    setAsking(true);
    setError(undefined);
    try {
      finish(await place(pending, { send: sender(rpc) }));
    } catch (failure) {
      setError(failure);
    } finally {
      setAsking(false);
    }
  };
  return (
    <div className="notice" role="status">
      <p>
        <strong>An order over {formatMoney(pending.expectedTotal)} is on its way to the shop.</strong> Its answer has
        not come back yet. Asking again does not order twice.
      </p>
      {error !== undefined && <ErrorNotice error={error} />}
      <p className="notice-foot">
        <button type="button" className="button" disabled={asking} onClick={() => void ask()}>
          {asking ? 'Asking…' : 'Find out'}
        </button>
        <button type="button" className="button button-quiet" disabled={asking} onClick={forgetPlacement}>
          Stop asking
        </button>
      </p>
    </div>
  );
}
