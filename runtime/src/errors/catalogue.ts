/**
 * The one catalogue of errors: every `google.rpc.ErrorInfo` reason that Weft sends, with its gRPC status, what it means
 * and what the reader can do about it. Throw one with `fail('ITEM_NOT_FOUND', ...)`.
 *
 * To add an error, add one line here and name it in the comment of each RPC that returns it, as
 * `// - NOT_FOUND (ITEM_NOT_FOUND): when.` A test keeps both in step. `common` reasons can come from any RPC and need no mention.
 */

import { Code } from '@connectrpc/connect';

/** One kind of error. */
export type CatalogueEntry = {
  /** The gRPC status that carries it. */
  readonly code: Code;
  /** What happened, for any instance of this error; also the message when `fail` gets none. */
  readonly meaning: string;
  /** What the reader can do. */
  readonly remedy: string;
  /** Whether any RPC can answer it, so that no RPC's comment has to. */
  readonly common: boolean;
};

function entry(code: Code, meaning: string, remedy: string): CatalogueEntry {
  return { code, meaning, remedy, common: false };
}

function common(code: Code, meaning: string, remedy: string): CatalogueEntry {
  return { code, meaning, remedy, common: true };
}

const {
  InvalidArgument,
  NotFound,
  AlreadyExists,
  FailedPrecondition,
  Aborted,
  OutOfRange,
  ResourceExhausted,
  Unavailable,
} = Code;

export const catalogue = {
  // Any RPC.
  INVALID_FIELD: common(
    InvalidArgument,
    'A field of the request breaks a rule of the contract.',
    'Correct the fields listed in google.rpc.BadRequest.',
  ),
  MALFORMED_REQUEST: common(
    InvalidArgument,
    'The request cannot be read.',
    'Send the message type that the contract names, with a well-formed timeout and encoding.',
  ),
  MESSAGE_TOO_LARGE: common(
    ResourceExhausted,
    'A message is larger than the server accepts.',
    'Send less at once: smaller batches, pages or chunks.',
  ),
  UNKNOWN_RPC: common(Code.Unimplemented, 'The server does not have this RPC.', 'Check the path, and the version.'),
  SERVICE_UNKNOWN: common(NotFound, 'No service of this name is served here.', 'Check the full name.'),
  UNAUTHENTICATED: common(Code.Unauthenticated, 'The call needs a user.', 'Send a valid bearer token.'),
  NOT_PERMITTED: common(
    Code.PermissionDenied,
    'The caller may not do this.',
    'Use a token that holds one of the scopes that the RPC names.',
  ),
  OVERLOADED: common(
    ResourceExhausted,
    'More was asked than can be worked on now.',
    'Wait as long as google.rpc.RetryInfo says, or 1 s and longer each time, then repeat.',
  ),
  DEADLINE: common(
    Code.DeadlineExceeded,
    'The deadline passed before there was an answer.',
    'The effect may have happened: repeat with the same request_id, or read first.',
  ),
  CANCELLED: common(Code.Canceled, 'The caller gave up.', 'Nothing, when that was meant.'),
  UNREACHABLE: common(
    Unavailable,
    'Another part of the system cannot be reached.',
    'Repeat after a moment, with the same request_id.',
  ),
  SERVER_STOPPING: common(
    Unavailable,
    'The server stopped before the call was finished.',
    'Repeat at once with the same request_id; another replica answers.',
  ),
  STREAM_ENDED: common(
    Unavailable,
    'The stream reached its longest life, or the server is stopping.',
    'Open it again with the last resume token.',
  ),
  INTERNAL: common(
    Code.Internal,
    'The server failed.',
    'Report it with the trace id; repeating may help, with the same request_id.',
  ),

  // Every kind of resource.
  RESOURCE_NOT_FOUND: common(NotFound, 'Nothing has this id.', 'Check the id.'),
  REQUEST_ID_REUSED: entry(
    AlreadyExists,
    'The same request_id came with another body.',
    'Use a new request_id for a new request.',
  ),
  ETAG_MISMATCH: entry(Aborted, 'The resource changed since its etag was read.', 'Read it again, then repeat.'),
  PAGE_TOKEN_INVALID: entry(
    InvalidArgument,
    'The page token does not belong to this query.',
    'List again from the first page, with the same filter and order on every page.',
  ),
  FILTER_INVALID: entry(InvalidArgument, 'The filter or the order cannot be read.', 'Mend it where the message says.'),
  UPDATE_MASK_INVALID: entry(
    InvalidArgument,
    'The update mask names a field that is unknown or output only.',
    'Name fields that can be set.',
  ),
  RESUME_TOKEN_INVALID: entry(
    InvalidArgument,
    'The resume token does not belong to this stream.',
    'Watch again without a token.',
  ),
  WATCH_HISTORY_GONE: entry(
    OutOfRange,
    'The changes since the resume token are gone.',
    'Watch again without a token, which begins with all that there is.',
  ),
  WATCHER_TOO_SLOW: entry(
    ResourceExhausted,
    'The reader fell too far behind.',
    'Open the stream again with the last resume token, and read faster.',
  ),
  IMPORT_ROW_DUPLICATE: entry(
    InvalidArgument,
    'An earlier row of the chunk is about the same thing.',
    'Leave one of the two rows out.',
  ),
  IMPORT_CHUNK_INVALID: entry(
    InvalidArgument,
    'A chunk of the import does not follow from the ones before it, or has lines that were applied as part of another.',
    'Send the chunks in order, with one request_id, and again only as they were sent first.',
  ),

  // Inventory.
  ITEM_NOT_FOUND: entry(NotFound, 'No item has this SKU.', 'Check the SKU; ListItems shows what there is.'),
  ITEM_ALREADY_EXISTS: entry(AlreadyExists, 'The SKU or the GTIN is taken.', 'Choose another, or update that item.'),
  ITEM_NOT_DELETED: entry(FailedPrecondition, 'The item is not deleted.', 'Nothing to undelete.'),
  ITEM_RESERVED: entry(
    FailedPrecondition,
    'Active reservations still hold units of the item.',
    'Release them or wait until they end.',
  ),
  GTIN_INVALID: entry(InvalidArgument, "The GTIN's check digit is wrong.", 'Correct the GTIN.'),
  LOCATION_NOT_FOUND: entry(NotFound, 'No location has this id.', 'Check the id; ListLocations shows what there is.'),
  LOCATION_ALREADY_EXISTS: entry(AlreadyExists, 'The location id is taken.', 'Choose another id.'),
  LOCATION_HOLDS_STOCK: entry(
    FailedPrecondition,
    'Units are on hand, reserved or on the way at the location, or a transfer or a count is open there.',
    'Move the stock away, and end reservations, transfers and counts there.',
  ),
  TIME_ZONE_UNKNOWN: entry(InvalidArgument, 'The time zone is unknown.', 'Use an IANA name such as Europe/Berlin.'),
  QUANTITY_OUT_OF_RANGE: entry(OutOfRange, 'The quantity would leave its range.', 'Ask for a smaller change.'),
  INSUFFICIENT_STOCK: entry(
    FailedPrecondition,
    'Fewer units are available than asked for.',
    'Ask for at most what is available, or for a partial reservation.',
  ),
  ITEM_IN_KIT: entry(
    FailedPrecondition,
    'A kit that is not deleted has the item as a component.',
    'Delete the kit or change its components first.',
  ),
  ITEM_HOLDS_STOCK: entry(
    FailedPrecondition,
    'The item has stock, so how its stock is kept cannot change.',
    'Book the stock out first, or create another item.',
  ),
  KIT_INVALID: entry(
    InvalidArgument,
    "A kit's components do not exist, repeat, or nest too deep.",
    'Name items that exist, each once; a component may be a kit whose own components are none.',
  ),
  KIT_HAS_NO_STOCK: entry(FailedPrecondition, 'A kit has no stock of its own.', 'Name its components instead.'),
  STOCK_POLICY_INVALID: entry(
    InvalidArgument,
    'How the item is kept in stock contradicts itself.',
    'Correct the fields on kits, lots and being out of stock that the message names.',
  ),
  LOCATION_DEACTIVATED: entry(
    FailedPrecondition,
    'The location is out of use.',
    'Name another, or take it into use again.',
  ),
  STOCK_CHANGED: entry(
    Aborted,
    'Other units are on hand than expected.',
    'Read the level again and decide anew; the metadata has what is on hand.',
  ),
  STOCK_MOVE_INVALID: entry(
    InvalidArgument,
    'Units cannot move between these states.',
    'Name two different states; nothing becomes incoming again.',
  ),
  LOT_REQUIRED: entry(
    InvalidArgument,
    'The item is kept by lot.',
    'Name the lot, and its expiry with its first units.',
  ),
  LOT_UNEXPECTED: entry(InvalidArgument, 'The item is not kept by lot.', 'Leave the lot out.'),
  LOT_NOT_FOUND: entry(NotFound, 'The item has no such lot.', 'Check the lot; the stock level lists what there is.'),
  LOT_EXPIRY_MISMATCH: entry(
    FailedPrecondition,
    'The lot is known with another expiry.',
    'Check the lot and its expiry, or leave the expiry out.',
  ),
  LOT_EXPIRED: entry(
    FailedPrecondition,
    'The lot has expired.',
    'Release the reservation and reserve again from a lot that has not.',
  ),
  IMPORT_NOT_FOUND: entry(NotFound, 'You began no import with this request_id.', 'Check the request_id.'),
  TRANSFER_NOT_FOUND: entry(NotFound, 'No transfer has this id.', 'Check the id.'),
  TRANSFER_STATE: entry(
    FailedPrecondition,
    'The transfer is in a state that does not allow this.',
    'Read the transfer; its state says what is still possible.',
  ),
  TRANSFER_LINES_INVALID: entry(
    InvalidArgument,
    'The lines or the locations of the transfer contradict each other.',
    'Name two locations, and each item and lot once.',
  ),
  TRANSFER_EXCEEDED: entry(
    FailedPrecondition,
    'More units are named than are on the way.',
    'Receive what was shipped; book what came beyond it with AdjustStock.',
  ),
  COUNT_NOT_FOUND: entry(NotFound, 'No count has this id.', 'Check the id.'),
  COUNT_STATE: entry(
    FailedPrecondition,
    'The count is in a state that does not allow this.',
    'Read the count; its state says what is still possible.',
  ),
  COUNT_LINE_INVALID: entry(
    InvalidArgument,
    'A counted line does not belong to the count.',
    'Name items of the count, each once, counted after it was opened.',
  ),
  COMMIT_EXCEEDS_RESERVATION: entry(
    FailedPrecondition,
    'More units are named than remain of the reservation.',
    'Read the reservation; its allocations say what remains.',
  ),
  BACKORDER_PENDING: entry(
    FailedPrecondition,
    'Units are backordered and have not come in yet.',
    'Commit what has come in, or wait.',
  ),
  ITEM_NOT_RELEASED: entry(FailedPrecondition, 'A preordered item is not out yet.', 'Commit after its release time.'),
  RESERVATION_NOT_FOUND: entry(NotFound, 'No reservation has this id.', 'Check the id.'),
  RESERVATION_EXPIRED: entry(FailedPrecondition, 'The reservation has expired.', 'Reserve again.'),
  RESERVATION_STATE: entry(
    FailedPrecondition,
    'The reservation is in a state that does not allow this.',
    'Read the reservation; its state says what is still possible.',
  ),

  // Pricing.
  PRICE_NOT_FOUND: entry(
    FailedPrecondition,
    'There is no price for this SKU, currency and quantity.',
    'Check the SKU and the currency; ListPrices shows what there is.',
  ),
  CURRENCY_UNSUPPORTED: entry(InvalidArgument, 'The currency is not supported.', 'Use a currency that has prices.'),
  QUOTE_NOT_FOUND: entry(NotFound, 'No quote has this id.', 'Check the id.'),
  QUOTE_EXPIRED: entry(FailedPrecondition, 'The quote has expired.', 'Ask for a new quote.'),
  QUOTE_MISMATCH: entry(
    FailedPrecondition,
    'The quote was issued for another basket, destination, rate or customer.',
    'Ask for a quote for what is to be ordered.',
  ),

  QUOTE_STATE: entry(
    FailedPrecondition,
    'The quote was accepted for something else, or voided.',
    'Ask for a new quote.',
  ),
  PRICE_INTERVAL_INVALID: entry(InvalidArgument, 'A price ends before it starts.', 'Correct its interval.'),
  PRICE_DUPLICATE: entry(
    InvalidArgument,
    'Two prices of the request have the same SKU, currency, quantity and start.',
    'Leave one of them out.',
  ),
  AMOUNT_OUT_OF_RANGE: entry(OutOfRange, 'An amount of money leaves its range.', 'Split the order.'),
  TAX_RATE_MISSING: entry(
    FailedPrecondition,
    'The jurisdiction of the destination has no tax rate at that time.',
    'Choose another destination, or have the rate entered; ListTaxRates shows what there is.',
  ),
  TAX_BASIS_MIXED: entry(FailedPrecondition, 'Some prices include tax and others do not.', 'Order such items apart.'),
  TAX_RATE_NOT_FOUND: entry(NotFound, 'No tax rate has this id.', 'Check the id; ListTaxRates shows what there is.'),
  TAX_RATE_OVERLAPS: entry(
    AlreadyExists,
    'Another rate of the jurisdiction and category applies during a part of the time.',
    'End that rate first, or choose another interval.',
  ),
  TAX_INTERVAL_INVALID: entry(InvalidArgument, 'A tax rate ends before it starts.', 'Correct its interval.'),
  SHIPPING_CHARGE_FORBIDDEN: entry(
    Code.PermissionDenied,
    'Only shipping may put a shipping charge or a customer on a quote.',
    'Leave them out, or use PrepareCheckout.',
  ),

  // Shipping.
  ADDRESS_INCOMPLETE: entry(
    InvalidArgument,
    'The destination lacks what a carrier needs.',
    'Fill in the field that is named.',
  ),
  NO_SHIPPING_RATE: entry(
    FailedPrecondition,
    'No carrier carries these goods there, or none has a price in this currency.',
    'Choose another destination, service or currency.',
  ),
  TOO_MANY_PACKAGES: entry(FailedPrecondition, 'The order needs too many packages.', 'Split the order.'),
  RATE_TABLE_INVALID: entry(
    InvalidArgument,
    'Rows of the rate table contradict each other.',
    'Correct the rows that the message names.',
  ),
  SHIPMENT_STATE: entry(
    FailedPrecondition,
    'The shipment is in a state that does not allow this.',
    'Read the shipment; its state says what is still possible.',
  ),
  SHIPMENT_PENDING: entry(
    Unavailable,
    'The shipment is still being placed or cancelled.',
    'Repeat the same request, with the same request_id.',
  ),
  SHIPMENT_ABANDONED: entry(
    Aborted,
    'The shipment could not be completed in time and was undone.',
    'Prepare the checkout again.',
  ),
  SHIPMENT_NOT_FOUND: entry(NotFound, 'No shipment of yours has this id.', 'Check the id.'),

  // Console.
  TRACE_NOT_FOUND: entry(
    NotFound,
    'No trace has this id, or it is no longer kept.',
    'Traces arrive within seconds and are kept in memory; ListTraces shows what there is.',
  ),
} as const satisfies Record<string, CatalogueEntry>;

/** A reason of the catalogue. */
export type Reason = keyof typeof catalogue;

/** Whether a text, from the wire for example, is a reason of the catalogue. */
export function isReason(text: string): text is Reason {
  return Object.hasOwn(catalogue, text);
}
