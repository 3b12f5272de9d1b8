import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { expect, test } from 'vitest';
import { scratchFolder } from './testing/scratch.ts';
import { allScopes, audience, issuer, TokenMint } from './tokens.ts';

const run = promisify(execFile);
const command = fileURLToPath(new URL('./token.ts', import.meta.url));

function verify(folder: string, token: string) {
  const keys = createLocalJWKSet(JSON.parse(readFileSync(join(folder, 'jwks.json'), 'utf8')));
  return jwtVerify(token, keys, { issuer, audience });
}

test('a token verifies against the key set and says what was asked for', async () => {
  const folder = scratchFolder();
  const mint = await TokenMint.open(folder);
  const { payload } = await verify(
    folder,
    await mint.mint({ subject: 'ada', scopes: ['orders:write', 'orders:read'], ttlSeconds: 60 }),
  );
  expect(payload).toMatchObject({ sub: 'ada', scope: 'orders:write orders:read', iss: issuer, aud: audience });
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(60);
});

test('the key is kept, is not in the key set, and a token of another key or of yesterday is refused', async () => {
  const folder = scratchFolder();
  const token = await (await TokenMint.open(folder)).mint();
  const again = await TokenMint.open(folder);
  await verify(folder, token);
  expect(JSON.parse(readFileSync(join(folder, 'jwks.json'), 'utf8')).keys[0].d).toBeUndefined();
  await expect(verify(folder, await again.mint({ ttlSeconds: -60 }))).rejects.toThrow(/exp/);
  await expect(verify(folder, await (await TokenMint.foreign()).mint())).rejects.toThrow();
});

test('npm run token prints a token, and refuses a scope that does not exist', async () => {
  const folder = scratchFolder();
  await TokenMint.open(folder);
  const env = { ...process.env, WEFT_STATE: folder };
  const { stdout } = await run(process.execPath, [command, '--scopes', 'mesh:read', '--subject', 'eve'], { env });
  expect((await verify(folder, stdout.trim())).payload).toMatchObject({ sub: 'eve', scope: 'mesh:read' });
  await expect(run(process.execPath, [command, '--scopes', 'mesh:write'], { env })).rejects.toThrow(
    /no such scope: mesh:write/,
  );
  await expect(run(process.execPath, [command], { env: { ...env, WEFT_STATE: join(folder, 'none') } })).rejects.toThrow(
    /npm start/,
  );
});

test('a token holds every scope that the contracts name, unless fewer are asked for', async () => {
  const folder = scratchFolder();
  const { payload } = await verify(folder, await (await TokenMint.open(folder)).mint());
  expect(allScopes).toContain('mesh:read');
  expect(payload.scope).toBe(allScopes.join(' '));
});
