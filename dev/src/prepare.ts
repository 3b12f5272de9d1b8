/**
 * What tests need before the first of them runs and what would otherwise be fetched by several at once: the Envoy binary
 * and the third-party protos.
 */
import { join } from 'node:path';
import { envoyBinary } from './envoy-binary.ts';
import { Failure } from './failure.ts';
import { checkout } from './paths.ts';
import { terminalProgress } from './progress.ts';
import { writeThirdPartyProtos } from './third-party-protos.ts';

const progress = terminalProgress(process.stdout);
try {
  writeThirdPartyProtos(join(checkout, '.weft', 'proto'));
  await progress.step('Envoy', envoyBinary);
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  process.stderr.write(`\n${error.explain()}\n`);
  process.exitCode = 1;
} finally {
  progress.end();
}
