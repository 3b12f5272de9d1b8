/**
 * The offer: how it can be carried, how it is packed, and what everything costs, exactly as the quote says it.
 */

import type { Quote } from '@weft/gen/weft/pricing/v1/quote_service_pb.js';
import type { Package } from '@weft/gen/weft/shipping/v1/package_pb.js';
import type { Rate } from '@weft/gen/weft/shipping/v1/rate_service_pb.js';
import { formatDimensions, formatTransit, formatWeight } from '../format/measures.ts';
import { formatMoney, formatRate } from '../format/money.ts';
import { categoryLabel } from '../shop/search.ts';
import type { ChosenService } from './offer.ts';

/** The rates as a radio list. */
export function RateList({
  rates,
  rateId,
  busy,
  onChoose,
}: {
  rates: readonly Rate[];
  rateId: string;
  busy: boolean;
  onChoose: (service: ChosenService) => void;
}) {
  return (
    <fieldset className="rates" aria-busy={busy}>
      <legend>How it is sent</legend>
      {rates.map((rate) => (
        <label key={`${rate.carrierId} ${rate.serviceId}`} className="rate">
          <input
            type="radio"
            name="rate"
            checked={rate.rateId === rateId}
            onChange={() => onChoose({ carrierId: rate.carrierId, serviceId: rate.serviceId })}
          />
          <span className="rate-name">{rate.name}</span>
          <span className="rate-days">{formatTransit(rate.minTransitDays, rate.maxTransitDays)}</span>
          <span className="rate-charge">{formatMoney(rate.charge)}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** The packages, by the place that sends them. */
export function PackageList({ packages }: { packages: readonly Package[] }) {
  return (
    <ul className="packages" aria-label="Packages">
      {packages.map((parcel) => (
        <li key={parcel.number}>
          <strong>
            Package {parcel.number}
            {parcel.originLocationId !== '' && ` from ${categoryLabel(parcel.originLocationId)}`}
          </strong>{' '}
          <span>
            {parcel.cartonId === '' ? 'own packaging' : `carton ${parcel.cartonId.toUpperCase()}`},{' '}
            {formatDimensions(parcel.dimensions)}, {formatWeight(parcel.weightGrams)}
          </span>
          <span className="package-contents">
            {parcel.contents.map(({ sku, quantity }) => `${String(quantity)} × ${sku}`).join(', ')}
          </span>
        </li>
      ))}
    </ul>
  );
}

/** The quote, line by line, with its tax by rate and its total. */
export function QuoteTable({ quote }: { quote: Quote }) {
  const basis = (amount: { net?: Quote['total']; gross?: Quote['total'] } | undefined) =>
    quote.taxInclusive ? amount?.gross : amount?.net;
  return (
    <table className="quote">
      <caption className="visually-hidden">What it costs</caption>
      <tbody>
        {quote.lines.map((line) => (
          <tr key={line.sku}>
            <th scope="row">
              {String(line.quantity)} × {line.name}
            </th>
            <td>{formatMoney(basis(line.amount))}</td>
          </tr>
        ))}
        {quote.shipping !== undefined && (
          <tr>
            <th scope="row">{quote.shipping.name}</th>
            <td>{formatMoney(basis(quote.shipping.amount))}</td>
          </tr>
        )}
      </tbody>
      <tbody className="quote-taxes">
        {quote.taxes.map((tax) => (
          <tr key={`${tax.jurisdiction} ${tax.name} ${tax.ratePpm}`}>
            <th scope="row">
              {quote.taxInclusive ? 'of which ' : 'plus '}
              {tax.name} {formatRate(tax.ratePpm)} on {formatMoney(tax.net)}
            </th>
            <td>{formatMoney(tax.tax)}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">Total</th>
          <td data-testid="total">{formatMoney(quote.total)}</td>
        </tr>
      </tfoot>
    </table>
  );
}
