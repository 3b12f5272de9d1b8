/**
 * Writes configuration as YAML to be read from top to bottom: comments where blocks carry them, and what is small enough on one
 * line. The same blocks always give the same text.
 */
import { type Block, type BlockMap, Noted } from './block.ts';
import { keyText, scalarText } from './yaml-scalar.ts';

/** Longest mapping or list that is written on one line, in characters without its indentation, spaces and quotes. */
const longestFlow = 96;

/** The text of a file; `header` becomes the comment at its top. */
export function renderYaml(header: string, block: BlockMap): string {
  const lines = commentLines(header);
  lines.push('');
  writeInto(lines, block, '', '');
  lines.push('');
  return lines.join('\n');
}

/** Writes a block from `first` on, which begins its first line; the others are indented by `indent`. */
function writeInto(lines: string[], block: Block, first: string, indent: string): void {
  const text = onOneLine(block);
  if (text !== undefined) {
    lines.push(first + text);
    return;
  }
  let start = first;
  for (const [key, entry] of entriesOf(block)) {
    const inner = entry instanceof Noted ? entry.block : entry;
    if (entry instanceof Noted) {
      for (const line of commentLines(entry.comment)) {
        lines.push(start + line);
        start = indent;
      }
    }
    if (key === undefined) {
      writeInto(lines, inner, `${start}- `, `${indent}  `);
    } else {
      const value = onOneLine(inner);
      lines.push(`${start}${keyText(key, false)}:${value === undefined ? '' : ` ${value}`}`);
      if (value === undefined) writeInto(lines, inner, `${indent}  `, `${indent}  `);
    }
    start = indent;
  }
}

/** A single value, or a collection that is small enough and without comments. */
function onOneLine(block: Block): string | undefined {
  if (typeof block !== 'object') return scalarText(block, false);
  return lengthWithin(block, longestFlow) <= longestFlow ? flowOf(block) : undefined;
}

function flowOf(block: Block): string {
  if (typeof block !== 'object') return scalarText(block, true);
  const parts = entriesOf(block).map(([key, inner]) => {
    return key === undefined ? flowOf(inner) : `${keyText(key, true)}: ${flowOf(inner)}`;
  });
  return isList(block) ? `[${parts.join(', ')}]` : `{${parts.join(', ')}}`;
}

/** The length of a block as JSON without its quotes; infinite with a comment. It looks no further than `most`. */
function lengthWithin(block: Block, most: number): number {
  if (block instanceof Noted) return Number.POSITIVE_INFINITY;
  if (typeof block !== 'object') return textLength(block);
  let length = 1;
  if (isList(block)) {
    for (const inner of block) {
      length += 1 + lengthWithin(inner, most - length);
      if (length > most) return length;
    }
    return Math.max(length, '[]'.length);
  }
  for (const key of Object.keys(block)) {
    const inner = block[key];
    if (inner === undefined) continue;
    length += 2 + textLength(key);
    if (length <= most) length += lengthWithin(inner, most - length);
    if (length > most) return length;
  }
  return Math.max(length, '{}'.length);
}

const textLength = (value: string | number | boolean): number =>
  typeof value === 'string' && /^[\w ./:-]*$/.test(value)
    ? value.length
    : JSON.stringify(value).replaceAll('"', '').length;

/** Properties that are there, by their keys; the entries of a list, which have none. */
function entriesOf(block: Block): (readonly [key: string | undefined, inner: Block])[] {
  if (isList(block)) return block.map((inner) => [undefined, inner] as const);
  return Object.entries(block).filter((entry): entry is [string, Block] => entry[1] !== undefined);
}

const isList = (block: Block): block is readonly Block[] => Array.isArray(block);

const commentLines = (comment: string): string[] => comment.split('\n').map((line) => `# ${line}`);
