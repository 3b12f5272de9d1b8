/**
 * The example, as a stranger follows its README: in a copy beside a checkout that holds nothing of the shop, with the packages that
 * its package.json names, the commands are run as they stand there, on real Envoys.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { envoyBinary } from '../../dev/src/envoy-binary.ts';
import { freePort } from '../../dev/src/ports.ts';
import { waitFor } from '../../dev/src/wait.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'envoy/example/README.md'), 'utf8');
let parent: string;
let tea: string;
let mesh: ChildProcess | undefined;
/** The ports of the topology, and the free ones that take their place in what is run here. */
const ports = new Map<string, number>();

beforeAll(async () => {
  parent = mkdtempSync(join(tmpdir(), 'weft-tea-'));
  tea = join(parent, 'tea');
  cpSync(join(root, 'envoy/example'), tea, { recursive: true });
  layCheckout(join(parent, 'weft'));
  install(join(tea, 'node_modules'));
  for (const port of ['8080', '4318']) ports.set(port, await freePort());
  const topology = join(tea, 'topologies/local.yaml');
  writeFileSync(topology, withFreePorts(readFileSync(topology, 'utf8')));
  symlinkSync(await envoyBinary(), join(tea, 'node_modules/.bin/envoy'));
  symlinkSync(process.execPath, join(tea, 'node_modules/.bin/node'));
}, 120_000);
afterAll(async () => {
  await end(mesh);
  rmSync(parent, { recursive: true, force: true });
});

/** Of this repository only the compiler, the runtime and the options: no shop, and nothing that was generated for it. */
function layCheckout(weft: string): void {
  for (const part of ['envoy/src', 'envoy/package.json', 'proto/weft/mesh']) {
    cpSync(join(root, part), join(weft, part), { recursive: true });
  }
  symlinkSync(join(root, 'runtime'), join(weft, 'runtime'));
  for (const name of Object.keys(manifestOf(join(root, 'envoy')).dependencies).filter((n) => !n.startsWith('@weft/'))) {
    link(join(root, 'node_modules', name), join(weft, 'node_modules', name));
  }
}

/** As `npm install` would: what package.json names in the versions that it names, and their programs. */
function install(modules: string): void {
  const { dependencies, devDependencies } = manifestOf(tea);
  mkdirSync(join(modules, '.bin'), { recursive: true });
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    const source = version.startsWith('file:')
      ? join(tea, version.slice('file:'.length))
      : join(root, 'node_modules', name);
    const installed = manifestOf(source);
    if (!version.startsWith('file:')) expect(installed.version, `${name} in the example`).toBe(version);
    link(source, join(modules, name));
    for (const program of Object.keys(typeof installed.bin === 'object' ? installed.bin : {})) {
      link(join(root, 'node_modules/.bin', program), join(modules, '.bin', program));
    }
  }
}

interface Manifest {
  readonly version: string;
  readonly dependencies: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly bin?: string | Record<string, string>;
}

const manifestOf = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

function link(target: string, path: string): void {
  if (!existsSync(target)) throw new Error(`${target} is not there`);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(realpathSync(target), path);
}

const withFreePorts = (text: string): string =>
  text.replaceAll(/(?<=127\.0\.0\.1:)\d+/g, (port) => String(ports.get(port) ?? port));

/** The blocks of a language and a name, in order. */
const blocks = (language: string, name = ''): string[] =>
  [...readme.matchAll(/^```(\w+) ?(.*)\n([\s\S]+?)^```/gm)]
    .filter(([, its, called]) => its === language && called === name)
    .map(([, , , text = '']) => withFreePorts(text));

const environment = () => ({
  ...process.env,
  PATH: [join(tea, 'node_modules/.bin'), process.env.PATH].join(delimiter),
  npm_config_update_notifier: 'false',
});

function run(command: string): { status: number | null; stdout: string; said: string } {
  const { status, stdout, stderr } = spawnSync('bash', ['-euc', command], {
    cwd: tea,
    encoding: 'utf8',
    env: environment(),
  });
  return { status, stdout, said: `${stdout}${stderr}` };
}

async function end(group: ChildProcess | undefined): Promise<void> {
  if (group?.pid === undefined || group.exitCode !== null) return;
  const ended = new Promise((resolve) => group.once('exit', resolve));
  process.kill(-group.pid, 'SIGKILL');
  await ended;
}

/** What the one block of this name, run, prints on standard output. */
const answerTo = (name: string): string => run(blocks('sh', name).join('\n')).stdout;

test('its commands compile it, and Envoy takes what was written', () => {
  const commands = blocks('sh');
  expect(commands).toHaveLength(3);
  const outcomes = commands.map(run);
  expect(
    outcomes.map(({ status }) => status),
    outcomes.map(({ said }) => said).join('\n'),
  ).toEqual([0, 0, 0]);
  expect(outcomes[2]?.said.match(/ OK$/gm)).toHaveLength(3);
  expect(readdirSync(join(tea, 'gen/envoy/local')).sort()).toEqual(['counter.yaml', 'edge.yaml', 'menu.yaml']);
  expect(blocks('sh', 'install')).toEqual(['npm install\n']);
});

test('its services, behind their Envoys, answer its call as it says', async () => {
  // A group of its own, so that all that the block starts ends with it.
  mesh = spawn('bash', ['-euc', `${blocks('sh', 'run').join('\n')}\nwait`], {
    cwd: tea,
    env: environment(),
    stdio: 'ignore',
    detached: true,
  });
  const expected = blocks('text', 'call').join('').trim();
  expect(expected).not.toBe('');
  await waitFor('the example to answer', () => answerTo('call').trim() === expected, {
    withinMs: 60_000,
    everyMs: 200,
  }).catch((error) => {
    throw new Error(`it answers ${answerTo('call')}`, { cause: error });
  });
  expect(answerTo('refused').trim()).toBe(blocks('text', 'refused').join('').trim());
}, 90_000);

test('the promise that cannot be kept is refused in the words of its README, and nothing is written', () => {
  const proto = join(tea, 'proto/tea/menu/v1/menu_service.proto');
  const before = readFileSync(proto, 'utf8');
  const broken = before.replace(/deadline: .*/, 'deadline: {seconds: 3}');
  expect(broken).not.toBe(before);
  writeFileSync(proto, broken);
  rmSync(join(tea, 'gen'), { recursive: true });
  const { status, said } = run('npx buf generate');
  expect(status).not.toBe(0);
  expect(said).toContain(
    blocks('text', 'broken')
      .join('')
      .replace(/ \.\.\.\s*$/, ''),
  );
  expect(existsSync(join(tea, 'gen'))).toBe(false);
});
