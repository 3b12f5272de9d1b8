/**
 * Makes what the mesh in containers needs once and keeps: each workload's certificate, the key and JWKS of tokens. Certificates
 * that are due are renewed; Envoys that run take them up at once.
 */

import { policies } from '@weft/gen/weft/policy.ts';
import { ensureCertificates } from '../../dev/src/certificates.ts';
import { defaultStateFolder } from '../../dev/src/paths.ts';
import { TokenMint } from '../../dev/src/tokens.ts';

const workloads = new Set(['edge', ...Object.values(policies).map(({ workload }) => workload)]);
const folder = defaultStateFolder();
const renewed = await ensureCertificates(folder, [...workloads]);
await TokenMint.open(folder);
process.stdout.write(`certificates made: ${renewed.length === 0 ? 'none, all are good' : renewed.join(', ')}\n`);
