/** gRPC's interoperability cases between ours, grpc-js and grpc-go, without TLS and with it; `npm run interop` has longer soaks. */

import { beforeAll, describe, expect, test } from 'vitest';
import { NO_GO } from '../conformance/go-programs.ts';
import { configureLog } from '../src/log.ts';
import { PAIRS } from './pairs.ts';
import type { Identity } from './peers.ts';
import { loopbackCertificate } from './testing/certificate.ts';

/** Long, since programs of Go may have to be built first. */
const RUN_MAX_MS = 300_000;
const SOAK_ITERATIONS = 50;

let identity: Identity;

beforeAll(async () => {
  // Callers that leave in the middle are what some cases are about.
  configureLog({ level: 'error' });
  identity = await loopbackCertificate();
});

describe.for(PAIRS)('$name', ({ run }) => {
  test.for(['cleartext', 'TLS'])('understand each other over %s', { timeout: RUN_MAX_MS }, async (over, { skip }) => {
    const results = await run({
      identity: over === 'TLS' ? identity : undefined,
      soakIterations: SOAK_ITERATIONS,
    });
    if (results === undefined) return skip(NO_GO);
    expect(results.length).toBeGreaterThan(15);
    expect(results.filter(({ failure }) => failure !== undefined)).toEqual([]);
  });
});
