/** Reads addresses: `unix:<path>` or `<host>:<port>`. */
import type { Section } from './section.ts';
import type { Address } from './topology.ts';

/** The address that `text`, the value of `key` in `section`, stands for; anything else is a problem. */
export function readAddress(section: Section, key: string, text: string): Address {
  if (text.startsWith('unix:') && text.length > 'unix:'.length)
    return { kind: 'unix', path: text.slice('unix:'.length) };
  const [, host, port] = /^([A-Za-z0-9.{}_-]+):(\d{1,5})$/.exec(text) ?? [];
  if (host && port && Number(port) > 0 && Number(port) < 65_536) return { kind: 'tcp', host, port: Number(port) };
  if (text !== '')
    section.problem(undefined, `"${text}" of ${key} is no address`, 'Write `unix:<path>` or `<host>:<port>`');
  return { kind: 'tcp', host: '127.0.0.1', port: 1 };
}

/** The address with `{workload}` replaced. */
export function namedAddress(address: Address, workload: string): Address {
  const name = (text: string): string => text.replaceAll('{workload}', workload);
  return address.kind === 'unix'
    ? { kind: 'unix', path: name(address.path) }
    : { kind: 'tcp', host: name(address.host), port: address.port };
}

/** The address as it is written. */
export const formatAddress = (address: Address): string =>
  address.kind === 'unix' ? `unix:${address.path}` : `${address.host}:${address.port}`;
