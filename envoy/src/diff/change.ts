/** A change of a promise, in words, and how dangerous it is. */
import type { Position } from '../contract/position.ts';

/**
 * `breaking`: callers that were served may be refused, cut off or left alone with a failure. `loosening`: more is let in, repeated or
 * waited for than before, or less is promised. `neutral`: neither.
 */
export type Danger = 'breaking' | 'loosening' | 'neutral';

/** What changed, most dangerous first within each danger. The names are stable: scripts may rely on them. */
export const kinds = {
  'rpc-removed': 'breaking',
  'rpc-moved': 'breaking',
  'exposure-narrowed': 'breaking',
  'scope-removed': 'breaking',
  'caller-removed': 'breaking',
  'deadline-lowered': 'breaking',
  'stream-shortened': 'breaking',
  'not-repeatable': 'breaking',
  'retry-reduced': 'breaking',
  'rate-lowered': 'breaking',
  'concurrency-lowered': 'breaking',
  'degrades-no-more': 'breaking',
  'made-public': 'loosening',
  'made-reachable': 'loosening',
  'may-change-state': 'loosening',
  'door-added': 'loosening',
  'scope-added': 'loosening',
  'caller-added': 'loosening',
  'became-retryable': 'loosening',
  'became-repeatable': 'loosening',
  'rate-raised': 'loosening',
  'concurrency-raised': 'loosening',
  'called-more-often': 'loosening',
  'waited-for': 'loosening',
  'deadline-raised': 'loosening',
  'stream-lengthened': 'loosening',
  'objective-lowered': 'loosening',
  'rpc-added': 'neutral',
  'changes-nothing': 'neutral',
  'not-waited-for': 'neutral',
  'degrades-now': 'neutral',
  'called-less-often': 'neutral',
  'objective-raised': 'neutral',
  'try-changed': 'neutral',
  'ejection-changed': 'neutral',
  'decision-reworded': 'neutral',
} as const satisfies Record<string, Danger>;

export type Kind = keyof typeof kinds;

export interface Change {
  readonly kind: Kind;
  /** The full name of an RPC, or the name of a workload. */
  readonly subject: string;
  /** What is different, as a sentence without its subject. */
  readonly text: string;
  /** Where it stands now; for what was removed, where it stood. */
  readonly at: Position | undefined;
  /** The topology in which it changed; absent: in the contract itself. */
  readonly topology?: string;
}

export const dangerOf = ({ kind }: Pick<Change, 'kind'>): Danger => kinds[kind];

/** By danger, then by kind, then in the order given. */
export function sortChanges(changes: readonly Change[]): Change[] {
  const order = Object.keys(kinds);
  return [...changes].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}
