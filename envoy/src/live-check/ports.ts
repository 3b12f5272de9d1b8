/** A mesh that was started on other ports than its topology names, because those were taken. */
import { type Block, type BlockMap, Noted } from '../blocks/block.ts';

const loopbackUrl = /^(https?:\/\/(?:127\.0\.0\.1|localhost):)(\d+)(?=\/|$)/;

/** The configuration with the ports of loopback addresses and URLs replaced; what `ports` does not name stays. */
export function withPorts(block: BlockMap, ports: ReadonlyMap<number, number>): BlockMap {
  return ports.size === 0 ? block : (replace(block, ports) as BlockMap);
}

function replace(block: Block, ports: ReadonlyMap<number, number>): Block {
  if (block instanceof Noted) return new Noted(block.comment, replace(block.block, ports));
  if (typeof block === 'string') {
    return block.replace(loopbackUrl, (_, before: string, port: string) => before + (ports.get(Number(port)) ?? port));
  }
  if (typeof block !== 'object') return block;
  if (isList(block)) return block.map((entry) => replace(entry, ports));
  const { address, port_value: port } = block;
  const isLoopback = address === '127.0.0.1' || address === 'localhost';
  const moved = isLoopback && typeof port === 'number' ? { port_value: ports.get(port) ?? port } : {};
  const entries = Object.entries({ ...block, ...moved });
  return Object.fromEntries(entries.map(([key, value]) => [key, value === undefined ? value : replace(value, ports)]));
}

const isList = (block: Block): block is readonly Block[] => Array.isArray(block);
