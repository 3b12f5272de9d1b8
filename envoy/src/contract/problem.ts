/** What is wrong with a contract or a topology: where, by which rule, and how to mend it. Problems are collected, never thrown one by one. */
import { comparePositions, formatPosition, type Position } from './position.ts';

/** One thing that has to be mended before anything is generated. */
export interface Problem {
  readonly at: Position;
  /** The rule's name, lower case with hyphens, as listed in envoy/README.md. */
  readonly rule: string;
  /** What is wrong. */
  readonly message: string;
  /** What to do about it, as an order. */
  readonly mend: string;
}

/** Problems as text, one per line, in the order of the sources. */
export function formatProblems(problems: readonly Problem[]): string {
  return [...problems]
    .sort((a, b) => comparePositions(a.at, b.at))
    .map(({ at, rule, message, mend }) => `${formatPosition(at)}: ${message}. ${mend}. [${rule}]`)
    .join('\n');
}
