/**
 * Bearer tokens of the local mesh: an ES256 key of its own, the key set that the edge verifies with, and tokens for trying
 * things out and for tests. `npm run token` prints one (token.ts).
 */
import { webcrypto } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { policies } from '@weft/gen/weft/policy.ts';
import { calculateJwkThumbprint, exportJWK, importJWK, type JWK, SignJWT } from 'jose';
import { writeSecret } from './secrets.ts';

export const issuer = 'https://weft.local';
export const audience = 'weft';

/** Every scope that the contracts name, sorted. */
export const allScopes: readonly string[] = [
  ...new Set(Object.values(policies).flatMap(({ scopes }): readonly string[] => scopes)),
].toSorted();

export interface TokenOptions {
  /** The user, `sub`. Default `developer`. */
  subject?: string;
  /** Default: all of them. */
  scopes?: readonly string[];
  /** Seconds from now until it expires; negative makes one that has expired. Default 8 hours. */
  ttlSeconds?: number;
  /** For tokens that must be refused. */
  issuer?: string;
  audience?: string;
}

export class TokenMint {
  readonly #key: JWK;

  private constructor(key: JWK) {
    this.#key = key;
  }

  /** The mint of a state folder; its key and `jwks.json` are made when missing. */
  static async open(stateFolder: string): Promise<TokenMint> {
    const keyFile = join(stateFolder, 'secrets', 'token-key.json');
    const mint = existsSync(keyFile)
      ? new TokenMint(JSON.parse(readFileSync(keyFile, 'utf8')))
      : await TokenMint.foreign();
    const keySetFile = join(stateFolder, 'jwks.json');
    const keySet = `${JSON.stringify({ keys: [mint.#publicKey()] }, undefined, 2)}\n`;
    if (!existsSync(keyFile)) writeSecret(keyFile, `${JSON.stringify(mint.#key)}\n`);
    if (!existsSync(keySetFile) || readFileSync(keySetFile, 'utf8') !== keySet) writeSecret(keySetFile, keySet);
    return mint;
  }

  /** A mint whose key nobody knows: its tokens must be refused. */
  static async foreign(): Promise<TokenMint> {
    const pair = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
    const key = await exportJWK(pair.privateKey);
    return new TokenMint({ ...key, alg: 'ES256', use: 'sig', kid: await calculateJwkThumbprint(key) });
  }

  /** A signed token. */
  async mint(options: TokenOptions = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const end = now + (options.ttlSeconds ?? 8 * 3600);
    return new SignJWT({ scope: (options.scopes ?? allScopes).join(' ') })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: this.#key.kid ?? '' })
      .setIssuer(options.issuer ?? issuer)
      .setAudience(options.audience ?? audience)
      .setSubject(options.subject ?? 'developer')
      .setIssuedAt(Math.min(now, end - 1))
      .setExpirationTime(end)
      .sign(await importJWK(this.#key, 'ES256'));
  }

  #publicKey(): JWK {
    const { d: _private, ...open } = this.#key;
    return open;
  }
}
