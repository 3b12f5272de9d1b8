/** Every command of `weft`, in the order of its help. */
import type { Command } from './command.ts';

export const commands: readonly Command[] = [];
