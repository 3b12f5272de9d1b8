/** Every command of `weft`, in the order of its help. */
import { checkCommand } from './check.ts';
import type { Command } from './command.ts';
import { diffCommand } from './diff.ts';
import { explainCommand } from './explain.ts';
import { newCommand } from './new.ts';

export const commands: readonly Command[] = [explainCommand, diffCommand, checkCommand, newCommand];
