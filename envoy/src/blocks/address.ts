/** Addresses. */
import type { Address } from '../topology/topology.ts';
import type { BlockMap } from './block.ts';

/** Octal 0600: only the user whose processes form the mesh may connect. YAML has no octal that Envoy reads. */
const ownerOnly = 384;

/** An address to listen on. */
export const listenAddress = (address: Address): BlockMap =>
  address.kind === 'unix' ? { pipe: { path: address.path, mode: ownerOnly } } : dialAddress(address);

/** An address to connect to. */
export const dialAddress = (address: Address): BlockMap =>
  address.kind === 'unix'
    ? { pipe: { path: address.path } }
    : { socket_address: { address: address.host, port_value: address.port } };

/** Whether only processes of the same machine get there over IP. */
export const isLoopback = (address: Address): boolean =>
  address.kind === 'tcp' && (address.host.startsWith('127.') || address.host === 'localhost');

/** Whether the address has to be looked up in DNS. */
export const isNamed = (address: Address): boolean => address.kind === 'tcp' && !/^[0-9.]+$/.test(address.host);
