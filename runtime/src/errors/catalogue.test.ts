import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Code } from '@connectrpc/connect';
import { codeToString } from '@connectrpc/connect/protocol-connect';
import { describe, expect, test } from 'vitest';
import { catalogue, isReason } from './catalogue.ts';

const protoFolder = join(import.meta.dirname, '../../../proto');
/** `// - NOT_FOUND (ITEM_NOT_FOUND): when`, the form in which an RPC's comment names an error. */
const ERROR_LINE = /\/\/ {1,3}- (?<code>[A-Z_]+) \((?<reason>[A-Z_]+)\)(?<rest>.*)$/;

type Mention = { readonly where: string; readonly code: string; readonly reason: string; readonly rest: string };

async function mentions(): Promise<Mention[]> {
  const found: Mention[] = [];
  for await (const path of glob('**/*.proto', { cwd: protoFolder })) {
    const lines = (await readFile(join(protoFolder, path), 'utf8')).split('\n');
    lines.forEach((line, index) => {
      const { code, reason, rest } = ERROR_LINE.exec(line)?.groups ?? {};
      if (code !== undefined && reason !== undefined) {
        found.push({ where: `${path}:${index + 1}`, code, reason, rest: rest ?? '' });
      }
    });
  }
  return found;
}

function grpcName(code: Code): string {
  // Connect spells one code its own way.
  return codeToString(code).toUpperCase().replace('CANCELED', 'CANCELLED');
}

describe('the catalogue and the contracts say the same', async () => {
  const all = await mentions();

  test('the contracts name errors at all', () => {
    expect(all.length).toBeGreaterThan(20);
  });

  test('every error that a contract names is in the catalogue, with the same status', () => {
    const wrong = all.flatMap(({ where, code, reason }) => {
      if (!isReason(reason)) {
        return [`${where}: ${reason} is not in the catalogue`];
      }
      const expected = grpcName(catalogue[reason].code);
      return code === expected ? [] : [`${where}: ${reason} is ${code}, in the catalogue ${expected}`];
    });
    expect(wrong).toEqual([]);
  });

  test('every error that a contract names says when', () => {
    expect(all.filter(({ rest }) => !/^: \S/.test(rest)).map(({ where }) => where)).toEqual([]);
  });

  test('every reason of the catalogue is named by a contract, or common to all', () => {
    const named = new Set(all.map(({ reason }) => reason));
    const orphans = Object.entries(catalogue).filter(([reason, { common }]) => !common && !named.has(reason));
    expect(orphans.map(([reason]) => reason)).toEqual([]);
  });
});

describe('every entry', () => {
  test.each(Object.entries(catalogue))('%s reads as a sentence and a remedy', (reason, { code, meaning, remedy }) => {
    expect(reason).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    expect(code).not.toBe(Code.Unknown);
    expect(meaning).toMatch(/^[A-Z].*\.$/);
    expect(remedy).toMatch(/^[A-Z].*\.$/);
  });
});
