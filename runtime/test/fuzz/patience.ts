/**
 * To be imported by the tests of this folder: gives them as much more time as they are told to try more.
 */

import { vi } from 'vitest';
import { RUNS } from './subject.ts';

const RUNS_IN_TIME = 60;
const TEST_MAX_MS = 30_000;

vi.setConfig({ testTimeout: TEST_MAX_MS * Math.max(1, RUNS / RUNS_IN_TIME) });
