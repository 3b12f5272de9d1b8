/** What `weft explain` answers, as data: the shape of its `--json`, and what its text is rendered from. */
import type { OnFailure } from '../contract/contract.ts';
import type { Position } from '../contract/position.ts';
import type { Fragment } from './fragments.ts';

/** One thing that holds at a hop, where the contract says it, and what Envoy got. */
export interface Fact {
  /** `deadline`, `tries`, `identity`: one word for the margin. */
  readonly name: string;
  readonly text: string;
  /** Where it is written; empty for what no contract decides. */
  readonly sources: readonly Position[];
  readonly fragments: readonly Fragment[];
}

/** One step of a call's way. */
export interface Hop {
  readonly from: string;
  readonly to: string;
  readonly facts: readonly Fact[];
}

/** An RPC on the way, and the entry of `calls` by which it calls the next one; the last has none. */
export interface Step {
  readonly rpc: string;
  readonly at: Position;
}

/** An RPC of the caller that declares the call. */
export interface Declaration {
  readonly rpc: string;
  readonly at: Position;
  readonly maxTimes: number;
  readonly parallel: boolean;
  readonly background: boolean;
  /** What the caller answers when the call fails. */
  readonly onFailure: OnFailure;
}

/** Why a call is refused, and what to do. */
export interface Refusal {
  readonly why: string;
  readonly mend: string;
  /** Where to do it. */
  readonly places: readonly Step[];
  /** What the caller sees instead of an answer. */
  readonly seen: readonly Fact[];
}

export interface Explanation {
  readonly caller: string;
  readonly rpc: string;
  readonly callee: string;
  readonly topology: string;
  /** Where the RPC stands. */
  readonly at: Position;
  readonly allowed: boolean;
  readonly declaredBy: readonly Declaration[];
  readonly hops: readonly Hop[];
  readonly refusal: Refusal | undefined;
  /** When the edge does not let it in: how a call from outside comes to it through others. */
  readonly waysFromTheEdge: readonly (readonly Step[])[];
}
