/** All cases, in the order in which they are listed. */

import { mainCases } from './cases/against.ts';
import { builtInCases } from './cases/built-ins.ts';
import type { Case } from './cases/case.ts';
import { gridCases } from './cases/grid.ts';
import { latencyCase } from './cases/latency.ts';
import { memoryCase } from './cases/memory.ts';

export const cases: readonly Case[] = [...mainCases, latencyCase, ...gridCases, memoryCase, ...builtInCases];
