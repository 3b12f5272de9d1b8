/**
 * Starts the page: takes the token out of the address bar before anything else, asks where the edge is, then draws.
 */

import './styles/base.css';
import './styles/frame.css';
import './styles/shop.css';
import './styles/checkout.css';
import './styles/mesh.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/app.tsx';
import { loadConfig } from './app/config.ts';
import { restorePlacement } from './checkout/placement.ts';
import { RpcContext } from './rpc/context.ts';
import { createRpc } from './rpc/transport.ts';
import { session, startSession } from './session/session.ts';
import { AvailabilityContext, AvailabilityFeed } from './shop/availability.ts';
import { restoreBasket } from './shop/basket.ts';
import { restoreCurrency } from './shop/currency.ts';

startSession();
restoreBasket();
restoreCurrency();
restorePlacement();

const element = document.getElementById('root');
if (element === null) {
  throw new Error('index.html lacks #root');
}
const root = createRoot(element);
try {
  const { edgeUrl, protocol } = await loadConfig();
  const rpc = createRpc({ edgeUrl, protocol, token: () => session.get()?.text });
  const feed = new AvailabilityFeed(rpc);
  root.render(
    <StrictMode>
      <RpcContext value={rpc}>
        <AvailabilityContext value={feed}>
          <App protocol={protocol} />
        </AvailabilityContext>
      </RpcContext>
    </StrictMode>,
  );
} catch {
  root.render(
    <main id="main">
      <h1>Weft</h1>
      <p className="notice notice-error" role="alert">
        <strong>The page could not start.</strong> Its own server does not answer. Reload it in a moment.
      </p>
    </main>,
  );
}
