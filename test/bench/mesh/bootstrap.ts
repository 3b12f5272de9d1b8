/** Generated bootstraps as data, and the ways to what the layers take out of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

/** A mapping of a bootstrap; what is in it is Envoy's. */
export type Fields = Record<string, unknown>;

/** The committed bootstrap of a workload in the local topology, anew each time. */
export const generated = (workload: string): Fields =>
  parse(readFileSync(join(import.meta.dirname, `../../../gen/envoy/local/${workload}.yaml`), 'utf8'));

/** The mapping at a path, which has to be there. */
export function at(fields: Fields, ...path: (string | number)[]): Fields {
  let found: unknown = fields;
  for (const step of path) found = (found as Fields | undefined)?.[step];
  if (typeof found !== 'object' || found === null) throw new Error(`the bootstrap has nothing at ${path.join('.')}`);
  return found as Fields;
}

export const listeners = (bootstrap: Fields): Fields[] =>
  Object.values(at(bootstrap, 'static_resources', 'listeners')) as Fields[];
export const clusters = (bootstrap: Fields): Fields[] =>
  Object.values(at(bootstrap, 'static_resources', 'clusters')) as Fields[];
export const filterChain = (listener: Fields): Fields => at(listener, 'filter_chains', 0);
/** The connection managers of all listeners. */
export const managers = (bootstrap: Fields): Fields[] =>
  listeners(bootstrap).map((listener) => at(filterChain(listener), 'filters', 0, 'typed_config'));
export const routes = (manager: Fields): Fields[] =>
  (Object.values(at(manager, 'route_config', 'virtual_hosts')) as Fields[]).flatMap(
    (host) => Object.values(at(host, 'routes')) as Fields[],
  );
export const httpFilters = (manager: Fields): Fields[] => Object.values(at(manager, 'http_filters')) as Fields[];

/** Removes an HTTP filter, by the end of its name, and what routes say to it. */
export function removeFilter(bootstrap: Fields, name: string): void {
  for (const manager of managers(bootstrap)) {
    manager.http_filters = httpFilters(manager).filter((filter) => !String(filter.name).endsWith(name));
    for (const route of routes(manager)) {
      const perFilter = route.typed_per_filter_config as Fields | undefined;
      if (perFilter) delete perFilter[`envoy.filters.http.${name}`];
    }
  }
}

/** Removes keys from a mapping. */
export function remove(fields: Fields, ...keys: string[]): void {
  for (const key of keys) delete fields[key];
}
