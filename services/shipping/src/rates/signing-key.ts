/**
 * The key that rate ids are signed with. The first process of the first start makes it; from then on all replicas read the same
 * one from shipping's database, so that a rate that one issued can be read by every other, also after a restart.
 */

import { randomBytes } from 'node:crypto';
import { query } from '@weft/runtime/data/pool';
import type { Pool } from 'pg';

const NAME = 'rate-id';
/** As long as the digest of SHA-256, as RFC 2104 advises. */
const KEY_BYTES = 32;

/** Reads the key, and makes it first when there is none. */
export async function signingKey(pool: Pool): Promise<Uint8Array> {
  await query(pool, 'INSERT INTO signing_keys (name, secret) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    NAME,
    randomBytes(KEY_BYTES),
  ]);
  const rows = await query<{ secret: Buffer }>(pool, 'SELECT secret FROM signing_keys WHERE name = $1', [NAME]);
  const secret = rows[0]?.secret;
  if (secret === undefined) {
    throw new Error('the signing key is not there although it was just written');
  }
  return secret;
}
