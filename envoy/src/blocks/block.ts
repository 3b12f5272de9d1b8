/** Envoy configuration as plain data: what every building block returns, and the few words that all of them use. */

/** A piece of configuration. A property that is undefined is left out. */
export type Block = string | number | boolean | readonly Block[] | BlockMap | Noted;
export interface BlockMap {
  readonly [key: string]: Block | undefined;
}

/** A piece of configuration with a comment before it. */
export class Noted {
  readonly comment: string;
  readonly block: Block;

  constructor(comment: string, block: Block) {
    this.comment = comment;
    this.block = block;
  }
}

/** Puts a comment before a mapping's value or a list's entry. */
export const noted = (comment: string, block: Block): Noted => new Noted(comment, block);

/** An `Any`: the message type by its name below `envoy.`, and its fields. */
export const any = (type: string, fields: BlockMap = {}): BlockMap => ({
  '@type': `type.googleapis.com/envoy.${type}`,
  ...fields,
});

/** A named extension, as filters, loggers and transport sockets are written. */
export const extension = (name: string, type: string, fields: BlockMap = {}): BlockMap => ({
  name: `envoy.${name}`,
  typed_config: any(type, fields),
});

/** `0.025s`: a duration as Envoy reads it. */
export const seconds = (ms: number): string => `${ms / 1000}s`;
