/**
 * PostgreSQL refuses to run as root, and containers and CI often are root. As root its programs therefore run in a user
 * namespace in which root has another name, so that they reach the same files, even under a folder of mode 0700; where
 * the kernel or the container forbids that, as user 65534 with nothing but the right to pass such folders.
 */
import { execFile } from 'node:child_process';
import { chownSync, lchownSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Failure } from './failure.ts';

const run = promisify(execFile);

export interface Unprivileged {
  /** Turns a command line into one that runs without root's name. */
  wrap(command: string, args: readonly string[]): { command: string; args: string[] };
  /** Who must own the files that the program insists on owning; undefined when whoever made them already does. */
  owner: number | undefined;
}

const asIs: Unprivileged = { wrap: (command, args) => ({ command, args: [...args] }), owner: undefined };

/** Any number but 0 will do: it only exists inside the namespace. */
const namespaceUser = 1000;
const inNamespace = ['--user', `--map-user=${namespaceUser}`, `--map-group=${namespaceUser}`];

const nobody = 65534;
const asNobody = [
  `--reuid=${nobody}`,
  `--regid=${nobody}`,
  '--clear-groups',
  '--inh-caps=-all,+dac_override',
  '--ambient-caps=-all,+dac_override',
];

/** How to run a program that refuses root, on this machine. Throws Failure when there is no way. */
export async function unprivileged(userId = process.getuid?.() ?? 1): Promise<Unprivileged> {
  if (userId !== 0) return asIs;
  const ways = [
    { tool: 'unshare', options: inNamespace, owner: 0 },
    { tool: 'setpriv', options: asNobody, owner: nobody },
  ];
  const refusals: string[] = [];
  for (const { tool, options, owner } of ways) {
    try {
      await run(tool, [...options, 'true'], { timeout: 10_000 });
      return { wrap: (command, args) => ({ command: tool, args: [...options, command, ...args] }), owner };
    } catch (error) {
      refusals.push(error instanceof Error ? error.message.trim() : String(error));
    }
  }
  throw new Failure('PostgreSQL cannot run as root', {
    why: `It refuses root, and this machine offers no other way:\n${refusals.join('\n')}`,
    remedy: 'Start as an ordinary user, or install util-linux (unshare, setpriv).',
  });
}

/** Gives a folder and all in it to `owner`, unless it is theirs already. */
export function giveTo(owner: number | undefined, folder: string): void {
  if (owner === undefined || lstatSync(folder).uid === owner) return;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    lchownSync(join(entry.parentPath, entry.name), owner, owner);
  }
  chownSync(folder, owner, owner);
}
