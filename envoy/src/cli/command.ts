/** The shape of a command of `weft`, and what it is given. A command is one file beside this one, listed in commands.ts. */

import { InputError } from '../input-error.ts';

/** One option of a command, as `parseArgs` of node:util takes it and as `--help` prints it. */
export interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** Whether it may be given several times. */
  readonly multiple?: boolean;
  /** What the help calls its value: `NAME`. */
  readonly value?: string;
  /** What it does, in one or two short lines. */
  readonly about: string;
}

/** What was written behind the name of the command. */
export interface Arguments {
  readonly positionals: readonly string[];
  /** The text of an option, the last one when it was given twice. */
  text(option: string): string | undefined;
  /** All texts of an option that may be given several times. */
  texts(option: string): readonly string[];
  flag(option: string): boolean;
}

/** Where a command runs. */
export interface Terminal {
  /** The folder whose contract is meant. */
  readonly folder: string;
  /** Whether standard output takes colours. */
  readonly colours: boolean;
  out(text: string): void;
  error(text: string): void;
  /** All of standard input. */
  input(): Promise<string>;
}

/** A command. */
export interface Command {
  readonly name: string;
  /** What stands behind the name in the usage line: `<caller> <rpc>`. */
  readonly arguments: string;
  /** What it does, in half a line for the list of commands. */
  readonly summary: string;
  /** Further lines of its own help: what it prints, and what its exit codes mean. */
  readonly help: string;
  readonly options: Readonly<Record<string, Option>>;
  /**
   * Does it and resolves with the exit code: 0 for good news, 2 when the question could not be answered, others as `help` says.
   * Throws a UsageError for wrong arguments, and a ContractError for a contract that does not compile; both exit with 2.
   */
  run(args: Arguments, terminal: Terminal): Promise<number>;
}

/** A question that cannot be answered as it was asked. Its message tells how to ask. Exit code 2. */
export class UsageError extends InputError {}
