/**
 * Writes a scaffold whole or not at all: everything goes to temporary names first, and gets its own name only when all of it is on
 * the disk. What fails half way is taken back.
 */
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Edit, Plan } from './plan.ts';
import { ScaffoldRefusal } from './refusal.ts';

/**
 * Writes what is planned below `root`.
 *
 * @throws ScaffoldRefusal when a file is there already, has changed since it was read, or cannot be written; nothing is left then.
 */
export function writeScaffold(root: string, { created, edited }: Plan): void {
  refuseWhatIsThere(root, created);
  for (const edit of edited) refuseWhatChanged(root, edit);
  const undo: (() => void)[] = [];
  try {
    const drafts = [...created.map(({ name, content }) => ({ name, content })), ...edited.map(draftOf)].map((file) => {
      makeFolder(dirname(join(root, file.name)), undo);
      return { ...file, draft: writeDraft(join(root, file.name), file.content, undo) };
    });
    for (const { name, draft } of drafts.slice(0, created.length)) {
      const target = join(root, name);
      // A link, unlike a renaming, fails where something has come to be meanwhile.
      linkSync(draft, target);
      undo.push(() => rmSync(target));
      rmSync(draft);
    }
    for (const [index, { name, before }] of edited.entries()) {
      const target = join(root, name);
      renameSync(drafts[created.length + index]?.draft ?? '', target);
      undo.push(() => writeFileSync(target, before));
    }
  } catch (error) {
    for (const step of undo.toReversed()) step();
    throw new ScaffoldRefusal(`${error instanceof Error ? error.message : String(error)}; nothing was written`);
  }
}

/** @throws ScaffoldRefusal that names every file that is in the way. */
export function refuseWhatIsThere(root: string, created: Plan['created']): void {
  const there = new Set(created.map(({ name }) => takenOn(root, name)).filter((name) => name !== undefined));
  if (there.size === 0) return;
  const verb = there.size === 1 ? 'exists' : 'exist';
  throw new ScaffoldRefusal(`${[...there].join(', ')} ${verb} already; nothing was written`);
}

/** What has the name: itself, or a file where a folder on the way to it would be; undefined for nothing. */
function takenOn(root: string, name: string): string | undefined {
  try {
    return lstatSync(join(root, name), { throwIfNoEntry: false }) && name;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return takenOn(root, dirname(name));
    throw error;
  }
}

function refuseWhatChanged(root: string, { name, before }: Edit): void {
  if (readFileSync(join(root, name), 'utf8') === before) return;
  throw new ScaffoldRefusal(`${name} was changed just now; nothing was written, try again`);
}

const draftOf = ({ name, after }: Edit) => ({ name, content: after });

/** Makes a folder and those above it that are missing; those that were made are removed again when they are empty. */
function makeFolder(folder: string, undo: (() => void)[]): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder), undo);
  mkdirSync(folder);
  undo.push(() => rmdirSync(folder));
}

function writeDraft(target: string, content: string, undo: (() => void)[]): string {
  const draft = `${target}.${process.pid}.new`;
  undo.push(() => rmSync(draft, { force: true }));
  writeFileSync(draft, content, { flag: 'wx' });
  return draft;
}
