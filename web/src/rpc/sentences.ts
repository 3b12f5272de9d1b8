/**
 * What the page says for each reason that the calls of this page can be answered with. A test holds it to the contracts: every reason
 * in the comments of those RPCs stands here.
 */

/** What happened, and what to do now. */
export type Sentence = { readonly message: string; readonly action: string };

/** Makes the sentence from the facts of the instance and the server's own words. */
type Phrase = (facts: Readonly<Record<string, string>>, serverWords: string) => Sentence;

const say =
  (message: string, action: string): Phrase =>
  () => ({ message, action });

/** The server's own words, when it has some, are more exact than ours. */
const quote =
  (message: string, action: string): Phrase =>
  (_facts, serverWords) => ({ message: serverWords || message, action });

export const SENTENCES: Readonly<Record<string, Phrase>> = {
  // On the way.
  NETWORK: say('The shop cannot be reached.', 'Check your connection, then try again. Nothing is lost.'),
  UNREACHABLE: say('A part of the shop is not answering.', 'Try again in a moment.'),
  SERVER_STOPPING: say('A part of the shop is being restarted.', 'Try again in a moment.'),
  OVERLOADED: say('Too much is being asked at once.', 'Wait a few seconds, then try again.'),
  DEADLINE: say('The answer took too long.', 'Try again; nothing is done twice.'),
  CANCELLED: say('The call was given up.', 'Try again if that was not meant.'),
  STREAM_ENDED: say('The live connection ended.', 'It comes back by itself.'),
  WATCHER_TOO_SLOW: say('This page fell behind the live data.', 'It catches up by itself.'),
  WATCH_HISTORY_GONE: say('This page was away too long.', 'It starts over by itself.'),
  RESUME_TOKEN_INVALID: say('The live connection cannot be resumed.', 'It starts over by itself.'),
  INTERNAL: say('The shop made a mistake.', 'Try again. If it stays, report it with the trace below.'),
  UNKNOWN_RPC: say('This page and the shop do not fit together.', 'Reload the page to get its newest version.'),
  UNKNOWN: say('Something went wrong on the way.', 'Try again in a moment.'),

  // Who asks.
  UNAUTHENTICATED: say('This needs someone who is signed in.', 'Sign in with a token, then come back here.'),
  TOKEN_EXPIRED: say('Your token has expired.', 'Sign in with a new one. Your basket stays as it is.'),
  NOT_PERMITTED: say('Your token does not allow this.', 'Sign in with a token that has the scope for it.'),

  // What was asked.
  INVALID_FIELD: quote('Something in the form is not right.', 'Correct what is marked, then try again.'),
  MALFORMED_REQUEST: say('The shop could not read the request.', 'Reload the page, then try again.'),
  MESSAGE_TOO_LARGE: say('This is too much at once.', 'Split it into smaller parts.'),
  REQUEST_ID_REUSED: say('This order was sent before with other contents.', 'Check the order page, then start anew.'),
  FILTER_INVALID: quote('The search cannot be read.', 'Search with plain words.'),
  PAGE_TOKEN_INVALID: say('The list changed meanwhile.', 'Start from its beginning.'),
  CURRENCY_UNSUPPORTED: say('The shop does not know this currency.', 'Choose another one at the top.'),
  AMOUNT_OUT_OF_RANGE: say('The amount is too large for the shop to count.', 'Order less at once.'),

  // The goods.
  ITEM_NOT_FOUND: ({ sku }) => ({
    message: sku ? `${sku} is not sold any more.` : 'One of the items is not sold any more.',
    action: 'Take it out of the basket, then go on.',
  }),
  INSUFFICIENT_STOCK: ({ sku, available }) => ({
    message:
      available === undefined
        ? 'Meanwhile others took the last of something in your basket.'
        : `Only ${available} of ${sku ?? 'one item'} ${available === '1' ? 'is' : 'are'} left for your country.`,
    action: 'Order fewer or take it out of the basket. Nothing has been placed.',
  }),
  PRICE_NOT_FOUND: ({ sku }) => ({
    message: `${sku ?? 'One of the items'} has no price in this currency.`,
    action: 'Choose another currency, or take it out of the basket.',
  }),

  // The way there.
  ADDRESS_INCOMPLETE: quote('The address lacks something that the carrier needs.', 'Complete the address.'),
  NO_SHIPPING_RATE: say(
    'No carrier brings these goods there in this currency.',
    'Try another service, address or currency.',
  ),
  TAX_RATE_MISSING: say('The shop cannot sell to this place.', 'Choose another country or region.'),
  TAX_BASIS_MIXED: say('Some of these prices include tax and others do not.', 'Order them apart from each other.'),
  TOO_MANY_PACKAGES: say('This would be more than 200 packages.', 'Split the order.'),

  // The offer.
  QUOTE_NOT_FOUND: say(
    'The shop does not know this offer.',
    'The total is being worked out again; check it, then order.',
  ),
  QUOTE_EXPIRED: say('The offer has ended.', 'The total is being worked out again; check it, then order.'),
  QUOTE_MISMATCH: say(
    'The order differs from the offer.',
    'The total is being worked out again; check it, then order.',
  ),
  QUOTE_STATE: say('This offer was used already.', 'Look at your orders before you order again.'),
  RATE_EXPIRED: say('The price for shipping has ended.', 'The total is being worked out again; check it, then order.'),

  // Orders and traces.
  SHIPMENT_PENDING: say('The order is still being worked on.', 'Try again in a moment; nothing is done twice.'),
  SHIPMENT_NOT_FOUND: say('You have no order with this number.', 'Look for it in the list of your orders.'),
  SHIPMENT_STATE: quote('The order cannot be cancelled any more.', 'Its page shows how it stands.'),
  TRACE_NOT_FOUND: say(
    'No trace has this id, or it is no longer kept.',
    'Traces arrive within seconds and are kept in memory. Look at the latest ones.',
  ),
};
