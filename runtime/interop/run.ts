/**
 * `npm run interop`: gRPC's interoperability cases between `serve`, `connect`, grpc-js and grpc-go, without TLS and with it, and what
 * h2spec and grpc-health-probe say of `serve`. Ends with 1 when anything fails.
 */

import { parseArgs } from 'node:util';
import { NO_GO } from '../conformance/go-programs.ts';
import { configureLog } from '../src/log.ts';
import { probeHealth, specifyHttp2 } from './other-judges.ts';
import { PAIRS } from './pairs.ts';
import { loopbackCertificate } from './testing/certificate.ts';

const USAGE = `npm run interop -- [options]
  --pair TEXT       only pairs in whose name this is, such as 'grpc-go client'
  --iterations N    calls of each soak, default 1000`;

function options() {
  try {
    const { values } = parseArgs({
      options: { pair: { type: 'string', default: '' }, iterations: { type: 'string', default: '1000' } },
    });
    return values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}\n`);
    process.exit(2);
  }
}

configureLog({ level: 'error' });
const { pair: wanted, iterations } = options();
const say = (line: string) => void process.stdout.write(`${line}\n`);
let good = true;

for (const identity of [undefined, await loopbackCertificate()]) {
  for (const pair of PAIRS.filter(({ name }) => name.includes(wanted))) {
    const name = `${pair.name}, ${identity === undefined ? 'cleartext' : 'TLS'}`;
    const results = await pair.run({ identity, soakIterations: Number(iterations) });
    if (results === undefined) {
      say(`${name}: not run, ${NO_GO}`);
      good = false;
      continue;
    }
    const failed = results.filter(({ failure }) => failure !== undefined);
    const seconds = results.reduce((sum, { ms }) => sum + ms, 0) / 1_000;
    say(`${name}: ${results.length - failed.length} passed, ${failed.length} failed; ${seconds.toFixed(1)} s`);
    for (const { name: failing, failure } of failed) {
      say(`  ${failing}: ${failure?.replaceAll('\n', ' ')}`);
    }
    good &&= failed.length === 0;
  }
}
if (wanted === '') {
  for (const judge of [specifyHttp2, probeHealth]) {
    const { line, isGood } = await judge();
    say(line);
    good &&= isGood;
  }
}
process.exit(good ? 0 : 1);
