/**
 * A fourth service in ten minutes: in a copy of this repository `weft new` writes it, generating gives it a sidecar, its own test
 * starts it, the whole mesh runs with it, and it is called through the edge. Nobody else's file is edited for it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import type { DescService } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TokenMint } from '../../../dev/src/tokens.ts';
import { waitFor } from '../../../dev/src/wait.ts';
import { type Clone, cloneRepository, mustRun } from '../clone.ts';

const service = 'acme.reminders.v1.ReminderService';
const nobody = '00000000-0000-4000-8000-000000000000';
/** The workloads that are added here. */
const added = ['reminders', 'journal-entries'];
const isAdded = (path: string): boolean => added.some((name) => path.startsWith(`services/${name}/`));
/** Starting a whole mesh, and checking the types of everything, on a machine that is busy with something else. */
const longMs = 240_000;

let clone: Clone;
beforeAll(async () => {
  clone = await cloneRepository();
}, longMs);
afterAll(() => clone?.remove());

/** Paths that `git status` names, with the two letters that say how they changed. */
const changed = async (): Promise<{ how: string; path: string }[]> =>
  (await clone.changes()).map((line) => ({ how: line.slice(0, 2).trim(), path: line.slice(3) }));

describe('from nothing to a service', () => {
  test('weft new writes it, and says what comes next', async () => {
    const said = await mustRun(clone, 'node', 'envoy/bin/weft', 'new', 'acme.reminders.v1');
    expect(said).toContain('npm run generate');
    expect(said).toContain(`${service}/CreateReminder`);
    expect(await changed()).toEqual([
      { how: 'M', path: 'docker-compose.yml' },
      { how: '??', path: 'proto/acme/reminders/v1/reminder_service.proto' },
      { how: '??', path: 'services/reminders/Dockerfile' },
      { how: '??', path: 'services/reminders/package.json' },
      { how: '??', path: 'services/reminders/src/main.ts' },
      { how: '??', path: 'services/reminders/src/reminder-service.ts' },
      { how: '??', path: 'services/reminders/test/reminder-service.test.ts' },
    ]);
  });

  test('a fifth one has a database', async () => {
    const said = await mustRun(clone, 'node', 'envoy/bin/weft', 'new', 'acme.journal_entries.v1', '--database');
    expect(said).toContain('services/journal-entries/prisma/schema.prisma');
  });

  test('npm takes it up with the packages that are there', async () => {
    await mustRun(clone, 'npm', 'install', '--package-lock-only', '--offline', '--ignore-scripts');
    const lock = JSON.parse(readFileSync(join(clone.folder, 'package-lock.json'), 'utf8'));
    expect(lock.packages['services/reminders'].dependencies).toHaveProperty('@weft/runtime');
    expect(await mustRun(clone, 'git', 'diff', '--numstat', 'package-lock.json')).toMatch(/^\d+\t0\t/);
    for (const name of added) clone.link(`services/${name}`);
  });

  test(
    'its contract compiles, and gets a sidecar in every topology',
    async () => {
      const said = await mustRun(clone, 'node', 'dev/generate.mjs');
      const sidecars = ['local', 'compose'].flatMap((topology) => added.map((name) => `${topology}/${name}`));
      for (const sidecar of sidecars) expect(said).toContain(`missing: gen/envoy/${sidecar}.yaml`);
      expect(await clone.run('buf', 'lint')).toEqual({ code: 0, said: '' });
      expect(await clone.run('buf', 'format', 'proto', '--diff', '--exit-code')).toEqual({ code: 0, said: '' });
    },
    longMs,
  );

  test(
    'its types fit, and the linter has nothing to say',
    async () => {
      const { code, said } = await clone.run('tsc', '--noEmit', '--project', '.');
      expect(said.split('\n').filter((line) => isAdded(line))).toEqual([]);
      expect(code, said).not.toBeNull();
      const written = ['docker-compose.yml', ...added.map((name) => `services/${name}`)];
      await mustRun(clone, 'biome', 'ci', '--error-on-warnings', '--colors=off', ...written);
      await mustRun(clone, 'node', 'runtime/src/data/diff.ts', 'services/journal-entries', '--check');
    },
    longMs,
  );

  test(
    'its own test starts it; what is said of every container and every package holds for it',
    async () => {
      const whatHoldsForAll = ['compose', 'static/dependencies', 'static/contracts', 'static/callers'].map(
        (name) => `test/${name}.test.ts`,
      );
      const parts = [
        ...added.map((name) => `services/${name}`),
        ...whatHoldsForAll,
        'runtime/src/errors/catalogue.test.ts',
      ];
      const result = join(clone.folder, '.weft', 'result.json');
      const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--reporter=json', `--outputFile=${result}`];
      const { code, said } = await clone.run('node', ...vitest, ...parts);
      expect(code, said).toBe(0);
      const { testResults } = JSON.parse(readFileSync(result, 'utf8'));
      const own = testResults.filter(({ name }: { name: string }) => isAdded(relative(clone.folder, name)));
      const statuses = own.flatMap((file: { assertionResults: { status: string }[] }) =>
        file.assertionResults.map(({ status }) => status),
      );
      expect(statuses).toEqual(Array(4 * added.length).fill('passed'));
    },
    longMs,
  );

  test('no file of the compiler, the runtime or another service was edited', async () => {
    const all = await changed();
    const edited = all.filter(({ how, path }) => how !== '??' && !path.startsWith('gen/'));
    expect(edited.map(({ path }) => path)).toEqual(['docker-compose.yml', 'package-lock.json']);
    const ungenerated = all.filter(({ how, path }) => how === '??' && !path.startsWith('gen/'));
    expect(ungenerated.filter(({ path }) => !isAdded(path) && !path.startsWith('proto/acme/'))).toEqual([]);
  });
});

describe('through the edge of its mesh', () => {
  let edgeUrl: string;
  let mint: TokenMint;
  let end: () => Promise<void> = async () => {};
  beforeAll(async () => {
    const stateFolder = join(clone.folder, '.weft', 'state');
    mkdirSync(stateFolder, { recursive: true });
    const child = spawn(process.execPath, ['test/e2e/mesh-process.ts', stateFolder], {
      cwd: clone.folder,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const exited = once(child, 'exit');
    end = async () => {
      child.stdin.end();
      await exited;
    };
    let complaints = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints += text;
    });
    const failed = exited.then(([code]) => Promise.reject(new Error(`the mesh ended with ${code}: ${complaints}`)));
    const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), failed]);
    failed.catch(() => {});
    edgeUrl = JSON.parse(line).edgeUrl;
    mint = await TokenMint.open(stateFolder);
  }, longMs);
  afterAll(() => end(), longMs);

  const token = (...scopes: string[]) => mint.mint({ subject: 'ada', scopes });

  /** An RPC in Connect's JSON, as a browser sends it. */
  async function post(rpc: string, body: object, bearer?: string): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`${edgeUrl}/${rpc}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  }

  /** The messages of the service exist in the copy alone, so the types of its client are told here. */
  async function grpcClient(bearer?: string) {
    const generated = join(clone.folder, 'gen/ts/acme/reminders/v1/reminder_service_pb.js');
    const { ReminderService } = (await import(generated)) as { ReminderService: DescService };
    const transport = createGrpcTransport({
      baseUrl: edgeUrl,
      interceptors: [
        (next) => (request) => {
          if (bearer !== undefined) request.header.set('authorization', `Bearer ${bearer}`);
          return next(request);
        },
      ],
    });
    type Call = (request: object) => Promise<{ reminder?: { reminderId: string; text: string } }>;
    return createClient(ReminderService, transport) as unknown as Record<'createReminder' | 'getReminder', Call>;
  }

  test('gRPC: created and found again with a token, refused without', async () => {
    const client = await grpcClient(await token('reminders:write'));
    const { reminder } = await client.createReminder({ requestId: crypto.randomUUID(), text: 'Water the plants' });
    expect(reminder?.text).toBe('Water the plants');
    const found = await client.getReminder({ reminderId: reminder?.reminderId });
    expect(found.reminder).toEqual(reminder);
    const codes = [
      await codeOf(client.getReminder({ reminderId: nobody })),
      await codeOf(client.createReminder({ requestId: 'mine', text: '' })),
      await codeOf((await grpcClient()).getReminder({ reminderId: nobody })),
      await codeOf((await grpcClient(await token('stock:read'))).getReminder({ reminderId: nobody })),
      await codeOf((await grpcClient(await token('reminders:read'))).createReminder({ requestId: nobody, text: 'x' })),
    ];
    expect(codes).toEqual([
      Code.NotFound,
      Code.InvalidArgument,
      Code.Unauthenticated,
      Code.PermissionDenied,
      Code.PermissionDenied,
    ]);
  });

  test('Connect: the same', async () => {
    const request = { request_id: crypto.randomUUID(), text: 'Feed the cat' };
    const bearer = await token('reminders:read', 'reminders:write');
    const first = await post(`${service}/CreateReminder`, request, bearer);
    expect(first).toMatchObject({ status: 200, body: { reminder: { text: 'Feed the cat' } } });
    expect(await post(`${service}/CreateReminder`, request, bearer)).toEqual(first);
    expect(await post(`${service}/CreateReminder`, { ...request, text: 'Twice' }, bearer)).toMatchObject({
      status: 409,
      body: { code: 'already_exists' },
    });
    expect(await post(`${service}/GetReminder`, { reminder_id: nobody })).toMatchObject({
      status: 401,
      body: { code: 'unauthenticated' },
    });
    expect(await post(`${service}/GetReminder`, { reminder_id: nobody }, await token('stock:read'))).toMatchObject({
      status: 403,
      body: { code: 'permission_denied' },
    });
  });

  test('the one with a database keeps what it was given', async () => {
    const journal = 'acme.journal_entries.v1.JournalEntryService';
    const bearer = await token('journal-entries:write');
    const request = { request_id: crypto.randomUUID(), text: 'Rain' };
    const { body } = await post(`${journal}/CreateJournalEntry`, request, bearer);
    const { journalEntry } = body as { journalEntry: { journalEntryId: string } };
    const found = await post(`${journal}/GetJournalEntry`, { journal_entry_id: journalEntry.journalEntryId }, bearer);
    expect(found).toEqual({ status: 200, body: { journalEntry } });
    expect(await post(`${journal}/CreateJournalEntry`, request)).toMatchObject({ status: 401 });
  });

  test('the edge answers for its health, and a token of a developer has its scopes', async () => {
    const isServing = async () => {
      const { body } = await post('grpc.health.v1.Health/Check', { service });
      return (body as { status?: string }).status === 'SERVING';
    };
    await waitFor('health of the new service at the edge', isServing, { withinMs: 30_000 });
    const printed = await clone.run('node', 'dev/src/token.ts', '--scopes', 'reminders:read reminders:write', '--help');
    expect(printed.said).toContain('reminders:read reminders:write');
  });
});

async function codeOf(call: Promise<unknown>): Promise<Code | undefined> {
  return await call.then(
    () => undefined,
    (error: unknown) => ConnectError.from(error).code,
  );
}
