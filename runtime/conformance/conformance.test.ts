/**
 * A part of the conformance suite with every test run, small enough for two slow cores: all protocols and both lanes, in both modes,
 * without TLS; and with TLS, client certificates and HTTP/1.1 what differs there. `npm run conformance` runs it all.
 */

import { expect, test } from 'vitest';
import { NO_GO } from './go-programs.ts';
import { runSuite } from './runner.ts';
import { MODES, readSelection } from './selection.ts';

/** Long, since the runner may have to be built first. */
const RUN_MAX_MS = 300_000;

/** Arguments of the command, and how many cases there must be at least: a selection that selects nothing proves nothing. */
const parts: readonly [what: string, argv: readonly string[], cases: number][] = [
  ['over HTTP/2', ['--http2', '--cleartext', '--compression', 'identity', '--compression', 'gzip'], 1_000],
  ['over TLS', ['--tls', '--compression', 'identity', '--codec', 'proto', '--stream', 'unary'], 200],
];

for (const mode of MODES) {
  test.for(parts)(`our ${mode} conforms %s`, { timeout: RUN_MAX_MS }, async ([, argv, cases], { skip }) => {
    const outcome = await runSuite(mode, readSelection(argv));
    if (outcome === undefined) return skip(NO_GO);
    expect(outcome.failed, outcome.output).toBe(0);
    expect(outcome.passed).toBeGreaterThan(cases);
    expect(outcome.complaints).toEqual([]);
  });
}
