/** Who may import what: the rules of design, kept by looking at every import. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { policies } from '@weft/gen/weft/policy.ts';
import { expect, test } from 'vitest';
import { importsOf, root, type Source, scripts, servesTests, sources } from './support/sources.ts';

/** Our packages that a package may import, beside itself. A service may import no service. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  '@weft/values': [],
  '@weft/gen': [],
  '@weft/runtime': [],
  '@weft/envoy': ['@weft/gen'],
  '@weft/web': ['@weft/gen', '@weft/values'],
};
const allowedToServices = ['@weft/gen', '@weft/values', '@weft/runtime'];
/** These may import anything, and nothing that ships imports them. */
const unlimited = ['@weft/dev', '@weft/test'];

interface Package {
  readonly name: string;
  readonly folder: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

const packages: Package[] = sources('package.json')
  .filter(({ path }) => path !== 'package.json')
  .concat([{ path: 'gen/ts/package.json', text: readFileSync(join(root, 'gen/ts/package.json'), 'utf8') }])
  .map(({ path, text }) => ({ folder: dirname(path), ...JSON.parse(text) }));
const shipped = scripts().filter((source) => !servesTests(source));

const packageOf = ({ path }: Pick<Source, 'path'>): Package | undefined =>
  packages.find(({ folder }) => path.startsWith(`${folder}/`));
/** `@weft/gen/weft/x.js` is of `@weft/gen`; `pg/lib` is of `pg`. */
const packageName = (specifier: string): string => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
const isRelative = (specifier: string): boolean => specifier.startsWith('.');

/** Every import of what ships, by the package of the file. */
const imports = shipped.flatMap((source) => {
  const owner = packageOf(source);
  return owner ? importsOf(source).map((specifier) => ({ owner, path: source.path, specifier })) : [];
});

const mayImport = ({ name, folder }: Package): readonly string[] | undefined => {
  if (unlimited.includes(name)) return undefined;
  return folder.startsWith('services/') ? allowedToServices : allowed[name];
};

test('there are imports to look at', () => {
  expect(imports.length).toBeGreaterThan(50);
  for (const name of Object.keys(allowed)) expect(packages.map((p) => p.name)).toContain(name);
});

test.each(packages.filter((p) => mayImport(p) !== undefined))('$name imports of ours only what it may', (owner) => {
  const wrong = imports
    .filter((i) => i.owner === owner && i.specifier.startsWith('@weft/'))
    .filter(({ specifier }) => ![owner.name, ...(mayImport(owner) ?? [])].includes(packageName(specifier)));
  expect(wrong.map(({ path, specifier }) => `${path} imports ${specifier}`)).toEqual([]);
});

test('no relative import leaves its package', () => {
  const wrong = imports.filter(({ owner, path, specifier }) => {
    return isRelative(specifier) && !`${join(dirname(path), specifier)}/`.startsWith(`${owner.folder}/`);
  });
  expect(wrong.map(({ path, specifier }) => `${path} imports ${specifier}`)).toEqual([]);
});

test('every import from outside is declared', () => {
  const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const everything = Object.assign({}, own.devDependencies, ...packages.map(({ dependencies }) => dependencies));
  const undeclared = imports.filter(({ owner, specifier }) => {
    if (isRelative(specifier) || specifier.startsWith('node:')) return false;
    // What only develops or tests may use whatever is installed; tools that build a package may come from the root.
    const known = unlimited.includes(owner.name) ? everything : { ...own.devDependencies, ...owner.dependencies };
    return !packageName(specifier).startsWith('@weft/') && !(packageName(specifier) in known);
  });
  expect(undeclared.map(({ path, specifier }) => `${path} imports ${specifier}`)).toEqual([]);
});

test('the generated policy table imports nothing', () => {
  expect(importsOf({ text: readFileSync(join(root, 'gen/ts/weft/policy.ts'), 'utf8') })).toEqual([]);
});

test('what would be wrong is found', () => {
  const text = [
    "import { a } from '@weft/inventory/a';",
    "export type { B } from './b.ts';",
    "import './c.css';",
    "const d = await import('node:fs');",
    "import type {\n  E,\n} from 'e';",
    "// import { f } from 'f';",
    "log('import', 'g');",
  ].join('\n');
  expect(importsOf({ text })).toEqual(['@weft/inventory/a', './b.ts', './c.css', 'node:fs', 'e']);
});

test('the compiler knows no service of the shop', () => {
  // A service that somebody adds may have the name of an example.
  const ours = Object.entries(policies).filter(([rpc]) => rpc.startsWith('weft.'));
  const services = new Set(
    ours.map(([rpc]) => rpc.slice(rpc.lastIndexOf('.', rpc.indexOf('/')) + 1, rpc.indexOf('/'))),
  );
  const packagesOfOurs = new Set(ours.map(([rpc]) => rpc.split('.', 2).join('.')));
  const names = [...services, ...packagesOfOurs, ...new Set(ours.map(([, { workload }]) => `'${workload}'`))];
  expect(names.length).toBeGreaterThan(10);
  const sourcesOfEnvoy = shipped.filter(({ path }) => path.startsWith('envoy/'));
  expect(sourcesOfEnvoy.length).toBeGreaterThan(50);
  const known = sourcesOfEnvoy.flatMap(({ path, text }) =>
    names.filter((name) => text.includes(name)).map((name) => `${path} names ${name}`),
  );
  expect(known).toEqual([]);
});
