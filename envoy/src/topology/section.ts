/** Reads one YAML mapping key by key with closed expectations: a key that nobody asked for is a problem, like one that is missing. */
import { isMap, isScalar, isSeq, type LineCounter, type Node, type YAMLMap } from 'yaml';
import type { Position } from '../contract/position.ts';
import type { Problem } from '../contract/problem.ts';

/** What all sections of one file share. */
export interface Source {
  readonly file: string;
  readonly lines: LineCounter;
  readonly problems: Problem[];
}

export class Section {
  readonly #map: YAMLMap | undefined;
  readonly #name: string;
  readonly #source: Source;
  readonly #asked = new Set<string>();

  /** `node` may be anything; all but a mapping is a problem. */
  constructor(node: unknown, name: string, source: Source) {
    this.#map = isMap(node) ? node : undefined;
    this.#name = name;
    this.#source = source;
    if (!this.#map) this.problem(node, `${name} is not a mapping`, 'Write `key: value` lines');
  }

  has(key: string): boolean {
    return this.#map?.has(key) ?? false;
  }

  /** The keys, in the order of the file. */
  keys(): string[] {
    return (this.#map?.items ?? []).map(({ key }) => String(isScalar(key) ? key.value : key));
  }

  text(key: string): string {
    const node = this.#take(key);
    if (isScalar(node) && typeof node.value === 'string' && node.value !== '') return node.value;
    this.#mistyped(node, key, 'a text');
    return '';
  }

  texts(key: string): string[] {
    const node = this.#take(key);
    const values = isSeq(node) ? node.items.map((item) => (isScalar(item) ? item.value : undefined)) : [];
    const texts = values.filter((value): value is string => typeof value === 'string' && value !== '');
    if (!isSeq(node) || texts.length < node.items.length || texts.length === 0)
      this.#mistyped(node, key, 'a list of texts');
    return texts;
  }

  /** A number from `least` to `most`, both included. */
  number(key: string, least: number, most: number): number {
    const node = this.#take(key);
    if (isScalar(node) && typeof node.value === 'number' && node.value >= least && node.value <= most)
      return node.value;
    this.#mistyped(node, key, `a number from ${least} to ${most}`);
    return least;
  }

  /** A whole number from `least` to `most`, both included. */
  whole(key: string, least: number, most: number): number {
    const node = this.#map?.get(key, true);
    if (isScalar(node) && typeof node.value === 'number' && !Number.isInteger(node.value)) {
      this.#take(key);
      this.#mistyped(node, key, `a whole number from ${least} to ${most}`);
      return least;
    }
    return this.number(key, least, most);
  }

  /** As `whole`; undefined when the key is not there. */
  optionalWhole(key: string, least: number, most: number): number | undefined {
    return this.has(key) ? this.whole(key, least, most) : undefined;
  }

  section(key: string): Section {
    return new Section(this.#take(key), `${this.#name}.${key}`, this.#source);
  }

  /** What stands at `key`, for `problem`. */
  nodeOf(key: string): unknown {
    return this.#map?.get(key, true);
  }

  positionOf(key: string): Position {
    return this.#position(this.#map?.get(key, true));
  }

  /** To be called when all that is known was read: what is left is a problem. */
  end(): void {
    for (const key of this.keys()) {
      if (this.#asked.has(key)) continue;
      const known = [...this.#asked].sort().join(', ');
      this.problem(this.#map?.get(key, true), `${this.#name} has no key "${key}"`, `Use ${known || 'none'}`);
    }
  }

  problem(node: unknown, message: string, mend: string): void {
    this.#source.problems.push({ at: this.#position(node ?? this.#map), rule: 'topology', message, mend });
  }

  #take(key: string): unknown {
    this.#asked.add(key);
    return this.#map?.get(key, true);
  }

  #mistyped(node: unknown, key: string, expected: string): void {
    const what = node === undefined ? 'is missing' : `is not ${expected}`;
    this.problem(node, `${this.#name}.${key} ${what}`, `Write ${expected}`);
  }

  #position(node: unknown): Position {
    const offset = (node as Node | undefined)?.range?.[0] ?? 0;
    return { file: this.#source.file, line: this.#source.lines.linePos(offset).line || 1 };
  }
}
