/**
 * How postal codes and their prefixes are compared: letters and digits only, upper case, so that `nw10 7pq`, `NW107PQ` and the
 * prefix `NW1` mean what a sorter at the post office takes them for.
 */

/** A postal code, or the beginning of one, as it is compared and kept. */
export function normalizePostalCode(text: string): string {
  return text.toUpperCase().replaceAll(/[^A-Z0-9]/g, '');
}
