/**
 * What a scaffold has to know of the repository that it is written into: where its contracts are, where buf's plugins put what
 * they generate, and which packages it has. All of it is read from the files that say it anyway.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { readTopology } from '../topology/read.ts';
import { ScaffoldRefusal } from './refusal.ts';

/** The runtime that came with this compiler, if it did. */
const runtimeBesideUs = fileURLToPath(new URL('../../../runtime', import.meta.url));

/** A repository, as far as it matters. Paths have slashes and begin at its root. */
export interface Repository {
  /** The folder of the buf module: `proto`. */
  readonly protoFolder: string;
  /** Where protoc-gen-es writes: `gen/ts`; and the package that this folder is, if it is one: `@acme/gen`. */
  readonly messages: {
    readonly folder: string;
    readonly packageName: string | undefined;
    readonly version: string;
    /** `_pb.js` */
    readonly suffix: string;
  };
  /** Where the plugin of Weft writes: `gen`. */
  readonly meshFolder: string;
  /** The policy table: `gen/ts/policy.ts`. */
  readonly policyTable: string;
  /** The scope of its npm packages, such as `@acme`; undefined when there is none to go by. */
  readonly scope: string | undefined;
  /** What a service's package.json says of the packages that it needs. */
  readonly versions: Readonly<Record<'@bufbuild/protobuf' | '@connectrpc/connect' | '@weft/runtime', string>>;
  /** Versions for a service with a database; undefined where nothing would give its tests one. */
  readonly databaseVersions: Readonly<Record<string, string>> | undefined;
  /** docker-compose.yml and all that its images are built from, where the runtime is part of the repository. */
  readonly compose: string | undefined;
  /** The names of scripts in package.json. */
  readonly scripts: ReadonlySet<string>;
  /** Whether npm installs what the packages below services/ need. */
  readonly hasWorkspaces: boolean;
  /** The packages that package.json names for development. */
  readonly tools: ReadonlySet<string>;
  /** Workloads that the contracts name already, and where. */
  readonly workloads: ReadonlyMap<string, string>;
  /** Whether the contracts can import buf/validate/validate.proto. */
  readonly hasValidate: boolean;
  /** Topologies in which every workload is reached at an address of its own, and those in which a new one would not be. */
  readonly topologies: { readonly ready: readonly string[]; readonly unready: readonly string[] };
}

interface Plugin {
  readonly program: string;
  readonly out: string;
  readonly options: Readonly<Record<string, string>>;
}

/**
 * Reads the repository at `root`.
 *
 * @throws ScaffoldRefusal when it does not say where its contracts are and what becomes of them.
 */
export function readRepository(root: string): Repository {
  const { protoFolder, plugins } = readTemplate(root);
  const messages = plugins.find(({ program }) => program.endsWith('protoc-gen-es'));
  const mesh = plugins.find(({ program }) => /(?:protoc-gen-envoy|envoy\/src\/plugin\.ts)$/.test(program));
  if (!messages) throw new ScaffoldRefusal('buf.gen.yaml has no protoc-gen-es, whose messages a service is made of');
  if (!mesh?.options.policy_table) {
    throw new ScaffoldRefusal('buf.gen.yaml gives the plugin of Weft no policy_table, which a service is served with');
  }
  const own = readJson(join(root, 'package.json'));
  const gen = readJson(join(root, messages.out, 'package.json'));
  const genName = gen.name;
  const runtime = readRuntime(root);
  const protos = globSync('**/*.proto', { cwd: join(root, protoFolder) }).map(
    (name) => [name, readFileSync(join(root, protoFolder, name), 'utf8')] as const,
  );
  return {
    protoFolder,
    messages: {
      folder: messages.out,
      packageName: typeof genName === 'string' ? genName : undefined,
      version: gen.version ?? '*',
      suffix: messages.options.target === 'ts' ? '_pb.ts' : '_pb.js',
    },
    meshFolder: mesh.out,
    policyTable: posix.join(mesh.out, mesh.options.policy_table),
    scope: scopeOf(root, genName),
    versions: runtime.versions,
    databaseVersions: existsSync(join(root, 'dev/src/testing.ts')) ? runtime.databaseVersions : undefined,
    compose: runtime.isHere ? textOf(join(root, 'docker-compose.yml')) : undefined,
    scripts: new Set(Object.keys(own.scripts ?? {})),
    hasWorkspaces: [own.workspaces].flat().includes('services/*'),
    tools: new Set(Object.keys({ ...own.devDependencies, ...own.dependencies })),
    workloads: new Map(
      protos.flatMap(([name, text]) =>
        [...text.matchAll(/\bworkload: *"([^"]+)"/g)].map(([, workload = '']) => [workload, `${protoFolder}/${name}`]),
      ),
    ),
    hasValidate:
      protos.some(([, text]) => text.includes('"buf/validate/validate.proto"')) ||
      existsSync(join(root, protoFolder, 'buf/validate/validate.proto')) ||
      /protovalidate/.test(textOf(join(root, 'buf.yaml')) ?? ''),
    topologies: readTopologies(root, mesh.options.topologies),
  };
}

function readTemplate(root: string): { protoFolder: string; plugins: Plugin[] } {
  const text = textOf(join(root, 'buf.gen.yaml'));
  if (text === undefined) {
    throw new ScaffoldRefusal('there is no buf.gen.yaml in this folder: go to the root of a repository that has one');
  }
  const template = parsed('buf.gen.yaml', text) as {
    inputs?: { directory?: string }[];
    plugins?: { local?: string | string[]; out?: string; opt?: string | string[] }[];
  } | null;
  const plugins = (template?.plugins ?? []).map(({ local = '', out = '.', opt = [] }) => ({
    program: [local].flat().at(-1) ?? '',
    out: posix.normalize(out),
    options: Object.fromEntries(
      [opt]
        .flat()
        .flatMap((part) => part.split(','))
        .map((part) => part.split('=', 2)),
    ) as Record<string, string>,
  }));
  return { protoFolder: posix.normalize(template?.inputs?.[0]?.directory ?? 'proto'), plugins };
}

function parsed(name: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    const [first = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new ScaffoldRefusal(`${name} is no valid YAML: ${first}`);
  }
}

/** The versions that the runtime itself leans on, so that a process holds each package once. */
function readRuntime(root: string): {
  isHere: boolean;
  versions: Repository['versions'];
  databaseVersions: Repository['databaseVersions'];
} {
  const { version = '*', dependencies = {} } = readJson(join(runtimeBesideUs, 'package.json'));
  const isHere =
    existsSync(join(root, 'runtime/package.json')) &&
    readJson(join(root, 'runtime/package.json')).name === '@weft/runtime';
  const path = relative(join(root, 'services/any'), runtimeBesideUs).split(sep).join('/');
  const linked = existsSync(runtimeBesideUs) ? `file:${path}` : version;
  const pick = (...names: string[]) => Object.fromEntries(names.map((name) => [name, dependencies[name] ?? '*']));
  return {
    isHere,
    versions: {
      '@bufbuild/protobuf': dependencies['@bufbuild/protobuf'] ?? '*',
      '@connectrpc/connect': dependencies['@connectrpc/connect'] ?? '*',
      '@weft/runtime': isHere ? version : linked,
    },
    databaseVersions: {
      ...pick('@prisma/adapter-pg', 'pg'),
      '@prisma/client': dependencies['@prisma/adapter-pg'] ?? '*',
    },
  };
}

/** `@acme` of `@acme/orders`: a service that is there, else the package of the messages. */
function scopeOf(root: string, genName: unknown): string | undefined {
  const services = globSync('services/*/package.json', { cwd: root }).sort();
  const names = [...services.map((path) => readJson(join(root, path)).name), genName];
  const scoped = names.find((name) => typeof name === 'string' && name.startsWith('@'));
  return typeof scoped === 'string' ? scoped.split('/')[0] : undefined;
}

/** A topology's `workload` section places every workload by its name; one that names no `{workload}` has place for one. */
function readTopologies(root: string, folder: string | undefined): Repository['topologies'] {
  if (folder === undefined) return { ready: [], unready: [] };
  const files = globSync('*.yaml', { cwd: join(root, folder) }).sort();
  const sharesAddress = (name: string): boolean => {
    const file = `${folder}/${name}`;
    const topology = readTopology({ name, file, text: textOf(join(root, file)) ?? '' }, []);
    const [one, other] = ['a', 'b'].map((workload) => JSON.stringify(topology.placeOf(workload).reachedAt));
    return one === other;
  };
  const path = (name: string) => `${folder}/${name}`;
  return {
    ready: files.filter((name) => !sharesAddress(name)).map(path),
    unready: files.filter(sharesAddress).map(path),
  };
}

interface PackageJson {
  readonly name?: unknown;
  readonly version?: string;
  readonly workspaces?: unknown;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

function readJson(path: string): PackageJson {
  const text = textOf(path);
  try {
    return text === undefined ? {} : JSON.parse(text);
  } catch {
    throw new ScaffoldRefusal(`${path} is no valid JSON`);
  }
}

function textOf(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}
