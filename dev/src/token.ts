/** `npm run token -- --subject ada --scopes "orders:write orders:read"`: prints a bearer token of the local mesh. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from './failure.ts';
import { defaultStateFolder } from './paths.ts';
import { allScopes, TokenMint } from './tokens.ts';

const usage = `Prints a bearer token that the local mesh accepts.

  npm run --silent token -- [--subject <name>] [--scopes "<scope> <scope>"] [--ttl <seconds>]

  --subject  who the token is for; default developer
  --scopes   separated by spaces or commas; default all: ${allScopes.join(' ')}
  --ttl      seconds until it expires; default 28800
`;

try {
  const { values } = parseArgs({
    options: {
      subject: { type: 'string' },
      scopes: { type: 'string' },
      ttl: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
  } else {
    const scopes = values.scopes?.split(/[\s,]+/).filter((scope) => scope !== '');
    const unknown = scopes?.filter((scope) => !allScopes.some((known) => known === scope)) ?? [];
    if (unknown.length > 0) throw new Error(`no such scope: ${unknown.join(' ')}; there are ${allScopes.join(' ')}`);
    const ttlSeconds = Number(values.ttl ?? 28_800);
    if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds < 1) throw new Error('--ttl must be a whole number of seconds');
    const stateFolder = defaultStateFolder();
    if (!existsSync(join(stateFolder, 'jwks.json')))
      throw new Error('there is no local mesh yet; run `npm start` first');
    const mint = await TokenMint.open(stateFolder);
    const token = await mint.mint({ ttlSeconds, subject: values.subject ?? 'developer', scopes: scopes ?? allScopes });
    process.stdout.write(`${token}\n`);
  }
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n\n${usage}`);
  process.exitCode = 1;
}
