/**
 * Names of RPCs and spans, without what all of them share.
 */

/**
 * `weft.shipping.v1.ShipmentService/PlaceShipment` is `ShipmentService/PlaceShipment`, `pg.query:saga_of_request shipping` is
 * `SQL saga_of_request`.
 */
export function shortName(name: string): string {
  return name.replace(/^\/?weft\.(\w+\.)?v\d+\./, '').replace(/^pg\.query:(\S+).*$/, 'SQL $1');
}
