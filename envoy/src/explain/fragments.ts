/** Finds pieces of a generated bootstrap and the lines on which they stand, in the text as it is written under `gen/`. */
import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml';
import type { Position } from '../contract/position.ts';

/** A piece of a generated file: where it begins, and its lines without their common indentation. */
export interface Fragment extends Position {
  readonly text: string;
}

/** The way to a piece: keys of mappings, indexes of lists, and entries of lists by their `name`. */
export type Path = readonly (string | number | { readonly name: string })[];

export class FragmentFile {
  readonly #file: string;
  readonly #lines: readonly string[];
  readonly #counter = new LineCounter();
  readonly #root: unknown;

  /** `file` is how positions name it; `text` is its content. */
  constructor(file: string, text: string) {
    this.#file = file;
    this.#lines = text.split('\n');
    this.#root = parseDocument(text, { lineCounter: this.#counter }).contents;
  }

  /** What stands at `path`. Throws when nothing does: the explanation and the compiler would be of two minds. */
  at(path: Path): Fragment {
    let value: unknown = this.#root;
    let start: Node | undefined;
    for (const step of path) {
      const found = take(value, step);
      if (!found) throw new Error(`${this.#file} has nothing at ${path.map(stepInWords).join('.')}`);
      ({ value, start } = found);
    }
    const end = (value as Node | undefined)?.range?.[1] ?? 0;
    const first = this.#counter.linePos(start?.range?.[0] ?? 0).line;
    const last = Math.max(first, this.#counter.linePos(Math.max(0, end - 1)).line);
    return { file: this.#file, line: first, text: dedented(this.#lines.slice(first - 1, last)) };
  }

  /** As `at`, or undefined when nothing stands there. */
  find(path: Path): Fragment | undefined {
    let value: unknown = this.#root;
    for (const step of path) {
      const found = take(value, step);
      if (!found) return undefined;
      value = found.value;
    }
    return this.at(path);
  }
}

function take(value: unknown, step: Path[number]): { value: unknown; start: Node } | undefined {
  if (typeof step === 'string') {
    const pair = isMap(value) ? value.items.find(({ key }) => isScalar(key) && key.value === step) : undefined;
    return pair && { value: (pair as Pair).value, start: pair.key as Node };
  }
  if (!isSeq(value)) return undefined;
  const entry =
    typeof step === 'number'
      ? value.items[step]
      : value.items.find((item) => isMap(item) && item.get('name') === step.name);
  return entry === undefined ? undefined : { value: entry, start: entry as Node };
}

const stepInWords = (step: Path[number]): string => (typeof step === 'object' ? `[${step.name}]` : String(step));

function dedented(lines: readonly string[]): string {
  const indents = lines.filter((line) => line.trim() !== '').map((line) => line.search(/\S/));
  const common = Math.min(...indents);
  return lines.map((line) => line.slice(common)).join('\n');
}
