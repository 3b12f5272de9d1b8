/**
 * Compares configuration as it was compiled with configuration as an Envoy tells it. Envoy's JSON is protobuf's: what has its default
 * is left out, large numbers are texts, durations are written its way, and the order of keys is its own.
 */
import { type Block, type BlockMap, Noted } from '../blocks/block.ts';

/** One place where the two differ. */
export interface Difference {
  /** From the top: `static_resources.listeners[inbound].traffic_direction`. List entries go by their names where they have some. */
  readonly path: string;
  /** As JSON; absent: the contract says nothing here. */
  readonly compiled: string | undefined;
  /** As JSON; absent: the Envoy has nothing here. */
  readonly live: string | undefined;
  /** The line of the contract that the nearest fragment came from. */
  readonly source: string | undefined;
}

/** Values that protobuf leaves out: what numbers, texts, flags, and the enums of the generated configuration begin with. */
const defaults: readonly unknown[] = [0, '0', '', false, 'ALLOW', 'AUTO', 'DEFAULT', 'DYNAMIC', 'EQ', 'SANITIZE'];
/** What an Envoy adds about itself: its build, and the extensions that it knows. */
const ownWords: readonly string[] = ['node.user_agent_name', 'node.user_agent_build_version', 'node.extensions'];

/** Every difference, in the order of `compiled`; none when an Envoy runs what was compiled. */
export function compareConfiguration(compiled: BlockMap, live: unknown): Difference[] {
  const differences: Difference[] = [];
  compare(compiled, live, { path: '', source: undefined, differences });
  return differences;
}

interface Place {
  readonly path: string;
  readonly source: string | undefined;
  readonly differences: Difference[];
}

function compare(compiled: Block | undefined, live: unknown, place: Place): void {
  if (compiled instanceof Noted) {
    const source = /\.proto:\d+$/.test(compiled.comment) ? compiled.comment : place.source;
    compare(compiled.block, live, { ...place, source });
  } else if (isList(compiled) && Array.isArray(live)) {
    compareEntries(listEntries(compiled), listEntries(live), place);
  } else if (isMap(compiled) && isMap(live)) {
    compareEntries(mapEntries(compiled), mapEntries(live), place);
  } else if (!isSame(compiled, live)) {
    const { path, source, differences } = place;
    differences.push({ path, source, compiled: inJson(compiled), live: inJson(live) });
  }
}

function compareEntries<Compiled, Live>(
  compiled: ReadonlyMap<string, Compiled>,
  live: ReadonlyMap<string, Live>,
  place: Place,
): void {
  for (const key of new Set([...compiled.keys(), ...live.keys()])) {
    const path = key.startsWith('[') || place.path === '' ? `${place.path}${key}` : `${place.path}.${key}`;
    if (ownWords.includes(path)) continue;
    compare(compiled.get(key) as Block | undefined, live.get(key), { ...place, path });
  }
}

const mapEntries = (map: object): Map<string, unknown> =>
  new Map(Object.entries(map).filter(([, value]) => value !== undefined && !isDefault(bare(value))));

const isDefault = (value: unknown): boolean => defaults.includes(value) || (Array.isArray(value) && value.length === 0);

/** By name where every entry has one of its own, so that one that was added does not make all behind it differ. */
function listEntries(list: readonly unknown[]): Map<string, unknown> {
  const names = list.map((entry) => (bare(entry) as { name?: unknown } | undefined)?.name);
  const isNamed = names.every((name) => typeof name === 'string') && new Set(names).size === names.length;
  return new Map(list.map((entry, index) => [`[${isNamed ? names[index] : index}]`, entry]));
}

function isSame(compiled: unknown, live: unknown): boolean {
  if (compiled === undefined || live === undefined) return compiled === live;
  if (typeof compiled === 'object' || typeof live === 'object') return false;
  const [ours, theirs] = [String(compiled), String(live)];
  const duration = /^-?\d+(\.\d+)?s$/;
  if (duration.test(ours) && duration.test(theirs)) return Number.parseFloat(ours) === Number.parseFloat(theirs);
  return ours === theirs;
}

const bare = (value: unknown): unknown => (value instanceof Noted ? value.block : value);
const isList = (value: unknown): value is readonly Block[] => Array.isArray(value);
const isMap = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Noted);

const inJson = (value: unknown): string | undefined =>
  value === undefined ? undefined : JSON.stringify(value, (_, inner: unknown) => bare(inner));
