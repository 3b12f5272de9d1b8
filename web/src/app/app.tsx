/**
 * The frame around every page: landmarks, the way around, who is signed in, whether the data is live; and which page a path shows.
 */

import { Component, type ReactNode } from 'react';
import { CheckoutPage } from '../checkout/checkout-page.tsx';
import { MeshPage } from '../mesh/mesh-page.tsx';
import { OrderPage } from '../orders/order-page.tsx';
import { OrdersPage } from '../orders/orders-page.tsx';
import { useSession } from '../session/session.ts';
import { SignInPage } from '../session/sign-in-page.tsx';
import { basket, unitCount } from '../shop/basket.ts';
import { CURRENCIES, chooseCurrency, chosenCurrency, isCurrency } from '../shop/currency.ts';
import { ItemPage } from '../shop/item-page.tsx';
import { ShopPage } from '../shop/shop-page.tsx';
import { TracePage } from '../traces/trace-page.tsx';
import { TracesPage } from '../traces/traces-page.tsx';
import { Announcer } from '../ui/announcer.tsx';
import { LiveIndicator } from '../ui/live.tsx';
import { Empty, Heading } from '../ui/notices.tsx';
import type { Protocol } from './config.ts';
import { Link, usePageTitle, usePlace } from './router.tsx';
import { useStore } from './store.ts';

export function App({ protocol }: { protocol: Protocol }) {
  const { path } = usePlace();
  return (
    <>
      <a className="skip" href="#main">
        Skip to the contents
      </a>
      <Header path={path} />
      <main id="main" tabIndex={-1}>
        <Boundary key={path}>{pageFor(path)}</Boundary>
      </main>
      <footer className="footer">
        <p>
          A shop that does not exist, on a mesh that does. Every number on this page came through the edge
          {protocol === 'grpc-web' ? ' by gRPC-Web' : ' by Connect'}.
        </p>
      </footer>
      <Announcer />
    </>
  );
}

/** The page of a path. Each is drawn anew for another path, so that nothing of the one before stays. */
function pageFor(path: string): ReactNode {
  const [first = '', second] = path.split('/').slice(1).map(decodeSegment);
  switch (first) {
    case '':
      return <ShopPage />;
    case 'item':
      return second ? <ItemPage key={second} sku={second} /> : <NotFoundPage />;
    case 'basket':
      return <CheckoutPage />;
    case 'orders':
      return second ? <OrderPage key={second} id={second} /> : <OrdersPage />;
    case 'traces':
      return second ? <TracePage key={second} id={second} /> : <TracesPage />;
    case 'mesh':
      return <MeshPage />;
    case 'sign-in':
      return <SignInPage />;
    default:
      return <NotFoundPage />;
  }
}

const NAVIGATION = [
  { href: '/', label: 'Shop', holds: ['', 'item'] },
  { href: '/orders', label: 'Orders', holds: ['orders'] },
  { href: '/traces', label: 'Traces', holds: ['traces'] },
  { href: '/mesh', label: 'Mesh', holds: ['mesh'] },
];

function Header({ path }: { path: string }) {
  const { token, expired } = useSession();
  const units = useStore(basket, unitCount);
  const first = path.split('/')[1] ?? '';
  return (
    <header className="header">
      <Link href="/" className="wordmark" aria-label="Weft, to the shop's front">
        <Mark />
        Weft
      </Link>
      <nav aria-label="Pages">
        <ul>
          {NAVIGATION.map(({ href, label, holds }) => (
            <li key={href}>
              <Link href={href} aria-current={holds.includes(first) ? 'page' : undefined}>
                {label}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <div className="header-side">
        <LiveIndicator />
        <CurrencyPicker />
        <Link href="/sign-in" className="account" aria-current={first === 'sign-in' ? 'page' : undefined}>
          {token === undefined ? 'Sign in' : expired ? 'Token expired' : token.subject}
        </Link>
        <Link
          href="/basket"
          className="basket-link"
          aria-current={first === 'basket' ? 'page' : undefined}
          aria-label={`Basket, ${units} ${units === 1 ? 'unit' : 'units'}`}
        >
          Basket <span className="basket-count">{units}</span>
        </Link>
      </div>
    </header>
  );
}

function CurrencyPicker() {
  const currency = useStore(chosenCurrency);
  return (
    <label>
      <span className="visually-hidden">Currency</span>
      <select
        className="currency"
        value={currency}
        onChange={({ target }) => isCurrency(target.value) && chooseCurrency(target.value)}
      >
        {CURRENCIES.map((code) => (
          <option key={code}>{code}</option>
        ))}
      </select>
    </label>
  );
}

/** Three warp threads and the weft through them. */
function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M9 3v26M16 3v26M23 3v26" />
      <path className="mark-gap" d="M9 8v8M23 8v8M16 16v8" />
      <path className="mark-weft" d="M3 12h26M3 20h26" />
      <path d="M16 8v8M9 16v8M23 16v8" />
    </svg>
  );
}

function NotFoundPage() {
  usePageTitle('Not here');
  return (
    <>
      <Heading>Nothing here</Heading>
      <Empty title="This page has no such address.">
        <Link href="/">To the shop</Link>
      </Empty>
    </>
  );
}

/** Keeps an error of one page from taking the others with it. */
class Boundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    if (!this.state.failed) {
      return this.props.children;
    }
    return (
      <>
        <Heading>This page broke</Heading>
        <div className="notice notice-error" role="alert">
          <p>
            <strong>The page made a mistake.</strong> Reload it. Your basket stays as it is.
          </p>
          <p className="notice-foot">
            <button type="button" className="button" onClick={() => location.reload()}>
              Reload
            </button>
          </p>
        </div>
      </>
    );
  }
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
