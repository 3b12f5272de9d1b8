/**
 * From the basket to the order on one page: what is in it, where it goes, how it is sent, what it costs, and the button.
 */

import { use, useEffect, useRef, useState } from 'react';
import { isTextRecord, recall, remember } from '../app/memory.ts';
import { Link, navigate, usePageTitle } from '../app/router.tsx';
import { useStore } from '../app/store.ts';
import { formatClock } from '../format/measures.ts';
import { explain } from '../rpc/explain.ts';
import { AvailabilityContext } from '../shop/availability.ts';
import { basket } from '../shop/basket.ts';
import { chosenCurrency } from '../shop/currency.ts';
import { usePrices } from '../shop/item-queries.ts';
import { Empty, ErrorNotice, Heading, Loading } from '../ui/notices.tsx';
import {
  ADDRESS_FIELDS,
  type AddressForm,
  type AddressProblems,
  checkAddress,
  EMPTY_ADDRESS,
  fieldOfPath,
} from './address.ts';
import { AddressFields, focusFirstProblem } from './address-form.tsx';
import { BasketList } from './basket-list.tsx';
import { type ChosenService, useOffer } from './offer.ts';
import { PackageList, QuoteTable, RateList } from './offer-view.tsx';
import { PendingPlacement } from './pending-placement.tsx';
import { PlaceOrder } from './place-order.tsx';

const ADDRESS_KEY = 'weft.address';

export function CheckoutPage() {
  usePageTitle('Basket');
  const lines = useStore(basket);
  const currencyCode = useStore(chosenCurrency);
  const prices = usePrices(lines, currencyCode);
  const [address, setAddress] = useAddress();
  const [service, setService] = useState<ChosenService>();
  const [showAll, setShowAll] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  useShipTo(address.country);

  const ownProblems = checkAddress(address);
  const complete = Object.keys(ownProblems).length === 0;
  const offer = useOffer(complete && lines.length > 0 ? { lines, address, currencyCode, service } : undefined);
  const problems = { ...problemsFrom(offer.error), ...ownProblems };

  if (lines.length === 0) {
    return (
      <>
        <Heading>Basket</Heading>
        <PendingPlacement />
        <Empty title="Nothing in it yet.">
          <p>What you put in stays here, also when you close the page.</p>
          <button type="button" className="button" onClick={() => navigate('/')}>
            Look around the shop
          </button>
        </Empty>
      </>
    );
  }
  const response = offer.data?.response;
  return (
    <>
      <Heading>Basket</Heading>
      <PendingPlacement />
      <div className="checkout">
        <div className="checkout-main">
          <section aria-labelledby="basket-title">
            <h2 id="basket-title" className="visually-hidden">
              What is in it
            </h2>
            <BasketList lines={lines} prices={prices} />
          </section>
          <section aria-labelledby="address-title">
            <h2 id="address-title">Where it goes</h2>
            <form
              ref={form}
              noValidate
              onSubmit={(event) => {
                event.preventDefault();
                setShowAll(true);
                focusFirstProblem(form.current, problems);
              }}
            >
              <AddressFields
                form={address}
                problems={problems}
                showAll={showAll || offer.error !== undefined}
                onChange={setAddress}
              />
              {!complete && (
                <button type="submit" className="button button-quiet">
                  Show shipping and total
                </button>
              )}
            </form>
          </section>
          {complete && response !== undefined && offer.error === undefined && (
            <section aria-labelledby="shipping-title">
              <h2 id="shipping-title" className="visually-hidden">
                Shipping
              </h2>
              <RateList rates={response.rates} rateId={response.rateId} busy={offer.settling} onChoose={setService} />
              <PackageList packages={response.packages} />
            </section>
          )}
        </div>
        <section className="summary" aria-labelledby="summary-title" aria-busy={offer.settling}>
          <h2 id="summary-title">What it costs</h2>
          {!complete && <p className="quiet">Fill in the address to see shipping, tax and the total.</p>}
          {complete && offer.error !== undefined && (
            <ErrorNotice error={offer.error} onRetry={offer.reload}>
              {service !== undefined && explain(offer.error).reason === 'NO_SHIPPING_RATE' && (
                <button type="button" className="button button-quiet" onClick={() => setService(undefined)}>
                  Take the cheapest service
                </button>
              )}
            </ErrorNotice>
          )}
          {complete && response?.quote !== undefined && offer.error === undefined && (
            <>
              <QuoteTable quote={response.quote} />
              <p className="quiet">
                This offer holds until {formatClock(response.expireTime)}. Nothing is set aside until you order.
              </p>
            </>
          )}
          {complete && offer.settling && response === undefined && <Loading what="Working out shipping and tax" />}
          <PlaceOrder
            offer={complete && offer.error === undefined ? offer.data : undefined}
            offerFailed={complete && offer.error !== undefined}
            settling={offer.settling}
            renew={offer.reload}
          />
          <p className="quiet">
            <Link href="/">Look further around the shop</Link>
          </p>
        </section>
      </div>
    </>
  );
}

/** The address, kept in this tab. */
function useAddress(): [AddressForm, (form: AddressForm) => void] {
  const [address, setAddress] = useState<AddressForm>(
    () => recall(sessionStorage, ADDRESS_KEY, (value) => isTextRecord(value, ADDRESS_FIELDS)) ?? EMPTY_ADDRESS,
  );
  return [
    address,
    (form) => {
      remember(sessionStorage, ADDRESS_KEY, form);
      setAddress(form);
    },
  ];
}

/** While the basket is open, availability counts what ships to the address. */
function useShipTo(country: string): void {
  const feed = use(AvailabilityContext);
  useEffect(() => {
    feed?.shipTo(country);
    return () => feed?.shipTo('');
  }, [feed, country]);
}

/** What the mesh found wrong with the address. */
function problemsFrom(error: unknown): AddressProblems {
  if (error === undefined) {
    return {};
  }
  const { fields, metadata, message } = explain(error);
  const told = fields.map(({ field, description }) => [fieldOfPath(field), description] as const);
  if (metadata.field !== undefined) {
    told.push([fieldOfPath(metadata.field), message]);
  }
  return Object.fromEntries(told.filter(([field]) => field !== undefined));
}
