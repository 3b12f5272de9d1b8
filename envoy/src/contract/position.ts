/**
 * Where a piece of a contract stands: file and line, for problems and for the comments in what is generated. It leans on the
 * source info that compilers send along with descriptors; buf's is fine enough to point into the value of an option.
 */
import type { DescExtension, DescMessage } from '@bufbuild/protobuf';
import type { FileDescriptorProto } from '@bufbuild/protobuf/wkt';

/** A place in a source file. Lines count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
}

/** `proto/weft/x.proto:12`, as editors and terminals link it. */
export const formatPosition = ({ file, line }: Position): string => `${file}:${line}`;

/** Orders by file, then line. */
export function comparePositions(a: Position, b: Position): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line;
}

/** Fields by their names and list entries by their indexes, from the option's message down: `['calls', 2, 'rpc']`. */
export type OptionPath = readonly (string | number)[];

/** Looks up positions in one file. */
export class SourceMap {
  readonly #file: string;
  readonly #lines = new Map<string, number>();
  /** By what they stand in; made when it is first asked for. */
  #firstInside: ReadonlyMap<string, number> | undefined;

  /** `sourceRoot` is put before the name of the file, which a compiler knows relative to its module only. */
  constructor(file: FileDescriptorProto, sourceRoot: string) {
    this.#file = sourceRoot === '' ? file.name : `${sourceRoot}/${file.name}`;
    for (const { path, span } of file.sourceCodeInfo?.location ?? []) {
      this.#lines.set(path.join('.'), (span[0] ?? 0) + 1);
    }
  }

  /**
   * The position of the descriptor element at `path`; of the first thing inside it, when it has none itself (messages inside of
   * options have none); else of what it stands in.
   */
  at(path: readonly number[]): Position {
    for (let length = path.length; length > 0; length -= 1) {
      const key = path.slice(0, length).join('.');
      const line = this.#lines.get(key) ?? this.#firstLineInside(key);
      if (line !== undefined) return { file: this.#file, line };
    }
    return { file: this.#file, line: 1 };
  }

  #firstLineInside(key: string): number | undefined {
    this.#firstInside ??= firstLinesInside(this.#lines);
    return this.#firstInside.get(key);
  }

  /** The position of what stands inside an option's value. */
  inOption(options: readonly number[], option: DescExtension, path: OptionPath): Position {
    const numbers: number[] = [];
    let message: DescMessage | undefined = option.message;
    for (const step of path) {
      if (typeof step === 'number') {
        numbers.push(step);
        continue;
      }
      const field: DescMessage['fields'][number] | undefined = message?.field[step];
      if (!field) throw new Error(`${option.typeName} has no field ${path.join('.')}`);
      numbers.push(field.number);
      message = field.message;
    }
    return this.at([...options, option.number, ...numbers]);
  }
}

/** The least line of all that stands inside of something, at whatever depth. */
function firstLinesInside(lines: ReadonlyMap<string, number>): Map<string, number> {
  const first = new Map<string, number>();
  for (const [inner, line] of lines) {
    for (let end = inner.lastIndexOf('.'); end > 0; end = inner.lastIndexOf('.', end - 1)) {
      const outer = inner.slice(0, end);
      first.set(outer, Math.min(line, first.get(outer) ?? line));
    }
  }
  return first;
}
