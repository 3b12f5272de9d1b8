/**
 * The doors for developers: what the README shows of grpcurl is typed here and must answer as shown; a client that
 * `buf generate` makes from proto/ in another language works.
 */

import { cp, mkdir, readFile, rm } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { policies } from '@weft/gen/weft/policy.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Mesh } from '../../../dev/src/mesh.ts';
import { binFolder, goTool, hasGo, root, run } from '../go-tools.ts';
import { type OwnMesh, startOwnMesh } from '../own-mesh.ts';

/** Not the shared one: building what Go brings takes long where it was never built, and others would wait for their turn. */
let own: OwnMesh | undefined;
let mesh: Mesh;
let grpcurl = '';
beforeAll(async () => {
  own = await startOwnMesh({ sample: true });
  mesh = own.mesh;
  grpcurl = (await goTool('grpcurl')) ?? '';
}, 300_000);
afterAll(() => own?.end());

/** `$ command` and what it printed, from the README's console blocks that use grpcurl. */
async function transcript(): Promise<{ command: string; output: string }[]> {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/```console\n([^`]+)```/g)].map(([, block = '']) => block);
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .filter((part) => part.startsWith('grpcurl'))
      .map((part) => {
        // A command goes on as long as its lines end with a backslash.
        const [, command = '', output = ''] = /^((?:.*\\\n)*.*)\n([\s\S]*)$/.exec(part) ?? [];
        return { command: command.replaceAll('\\\n', ' '), output: output.trimEnd() };
      }),
  );
}

describe('grpcurl', () => {
  test('answers as the README shows', async ({ skip }) => {
    if (grpcurl === '') skip('there is neither grpcurl nor Go to build it');
    const shown = await transcript();
    expect(shown.length).toBeGreaterThanOrEqual(4);
    const token = await mesh.token();
    for (const { command, output } of shown) {
      const real = command.replace('127.0.0.1:8080', new URL(mesh.edgeUrl).host).replace('$TOKEN', token);
      const { stdout, stderr } = await run('bash', ['-c', real], {
        env: { ...process.env, PATH: [dirname(grpcurl), process.env.PATH].join(delimiter) },
      }).catch((error: { stdout: string; stderr: string }) => error);
      expect(comparable(withoutAdded(stdout) + stderr), command).toEqual(comparable(output));
    }
  }, 120_000);

  test('lists every exposed service and describes every RPC, without proto files', async ({ skip }) => {
    if (grpcurl === '') skip('there is neither grpcurl nor Go to build it');
    const edge = new URL(mesh.edgeUrl).host;
    const { stdout } = await run(grpcurl, ['-plaintext', edge, 'list']);
    const exposed = Object.entries(policies).filter(([, policy]) => policy.exposure !== 'INTERNAL');
    const services = new Set(exposed.map(([rpc]) => rpc.slice(0, rpc.lastIndexOf('/'))));
    for (const service of services) {
      expect(stdout.split('\n')).toContain(service);
      const { stdout: described } = await run(grpcurl, ['-plaintext', edge, 'describe', service]);
      for (const [rpc] of exposed.filter(([name]) => name.startsWith(`${service}/`))) {
        expect(described).toContain(`rpc ${rpc.slice(rpc.lastIndexOf('/') + 1)} (`);
      }
    }
  }, 120_000);
});

/** A list of services without those that somebody has added to the ones of the README. */
function withoutAdded(text: string): string {
  const added = new Set(Object.keys(policies).map((rpc) => rpc.slice(0, rpc.lastIndexOf('/'))));
  return text
    .split('\n')
    .filter((line) => line.startsWith('weft.') || !added.has(line))
    .join('\n');
}

/** grpcurl varies white space in JSON on purpose; times and ids are other ones each time. */
function comparable(text: string): string {
  return text
    .replace(/"[^"]*Time": ?"[^"]*"/g, '"time"')
    .replace(/"etag": ?"[^"]*"/g, '"etag"')
    .replace(/\s+/g, ' ')
    .replace(/([:,{[]) /g, '$1')
    .trim();
}

describe('a client in Go, generated with buf', () => {
  test('calls the edge in gRPC and in Connect', async ({ skip }) => {
    if (!(await hasGo())) skip('there is no Go to build it');
    await Promise.all([goTool('protoc-gen-go'), goTool('protoc-gen-connect-go')]);
    const source = join(root, 'test', 'clients', 'go');
    const module = join(root, '.weft', 'go-client');
    await rm(module, { recursive: true, force: true });
    await mkdir(module, { recursive: true });
    const env = {
      ...process.env,
      PATH: [join(root, 'node_modules', '.bin'), binFolder, process.env.PATH].join(delimiter),
    };
    await run('buf', ['generate', '--template', join(source, 'buf.gen.yaml')], { cwd: root, env });
    for (const file of ['go.mod', 'go.sum', 'main.go']) await cp(join(source, file), join(module, file));
    await run('go', ['build', '-o', 'client', '.'], { cwd: module, env });
    const { stdout } = await run(join(module, 'client'), [mesh.edgeUrl, 'KIT-CHEF-KNIFE-20']);
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringMatching(/^gRPC: .+, \d+ g$/),
      'gRPC: not_found with google.rpc.ErrorInfo',
      expect.stringMatching(/^Connect: .+, \d+ g$/),
      'Connect: not_found with google.rpc.ErrorInfo',
    ]);
  }, 300_000);
});
