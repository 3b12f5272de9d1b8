/** The generated gRPC service configs, in the hands of grpc-js: deadlines and tries are what the contract says. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileProtos, testFolder } from './support/compile.ts';
import { ScriptedService } from './support/scripted-service.ts';
import { textMessage } from './support/wire.ts';

interface Entry {
  readonly source: string;
  readonly name: readonly [{ service: string; method: string }];
  readonly timeout: string;
  readonly retryPolicy?: { maxAttempts: number };
}

const shelf = 'acme.shelf.v1.ShelfService';
const configs: Record<string, string> = {};
const folder = mkdtempSync(join(tmpdir(), 'weft-config-'));
let service: ScriptedService;
beforeAll(async () => {
  for (const { name, content } of compileProtos(join(testFolder, 'protos'), { serviceConfig: 'config' })) {
    configs[name] = content;
  }
  service = await ScriptedService.listen(join(folder, 'service.sock'));
}, 60_000);
afterAll(async () => {
  await service.close();
  rmSync(folder, { recursive: true, force: true });
});

const entriesOf = (name: string): Entry[] => JSON.parse(configs[name] ?? '{}').methodConfig;

/** Calls as a client with that config does, and resolves with the status. */
async function call(config: string, method: string, script: string): Promise<number> {
  const client = new Client(`unix:${join(folder, 'service.sock')}`, credentials.createInsecure(), {
    'grpc.service_config': configs[config] ?? '',
  });
  try {
    return await new Promise<number>((resolve) => {
      const keep = (bytes: Buffer) => bytes;
      client.makeUnaryRequest(`/${shelf}/${method}`, keep, keep, textMessage(script), (error: ServiceError | null) =>
        resolve(error?.code ?? 0),
      );
    });
  } finally {
    client.close();
  }
}

test('two files are written, with a source of each entry', () => {
  expect(Object.keys(configs)).toEqual(['config/edge.json', 'config/direct.json']);
  for (const { source } of [...entriesOf('config/edge.json'), ...entriesOf('config/direct.json')]) {
    expect(source).toMatch(/^protos\/acme\/.*\.proto:\d+$/);
  }
});

test('outside, there is what the edge shows, and nothing is tried twice', () => {
  const entries = entriesOf('config/edge.json');
  expect(entries.map(({ name: [{ method }] }) => method)).not.toContain('LendBook');
  expect(entries.map(({ name: [{ method }] }) => method)).toContain('GetBook');
  expect(entries.filter(({ retryPolicy }) => retryPolicy)).toEqual([]);
});

describe('a client with direct.json', () => {
  test('makes the declared tries', async () => {
    expect(await call('config/direct.json', 'GetBook', 'fail-first:2:14:direct')).toBe(0);
    expect(service.withScript('fail-first:2:14:direct')).toHaveLength(3);
    expect(await call('config/direct.json', 'GetBook', 'fail-first:9:14:direct')).toBe(14);
    expect(service.withScript('fail-first:9:14:direct')).toHaveLength(3);
  });

  test('never repeats what may not be repeated, nor for a code that is not declared', async () => {
    expect(await call('config/direct.json', 'LendBook', 'fail-first:1:14:lend')).toBe(14);
    expect(service.withScript('fail-first:1:14:lend')).toHaveLength(1);
    expect(await call('config/direct.json', 'GetBook', 'fail-first:1:5:code')).toBe(5);
    expect(service.withScript('fail-first:1:5:code')).toHaveLength(1);
  });
});

test('a client with either has the deadline of the contract', async () => {
  for (const config of ['config/edge.json', 'config/direct.json']) {
    const script = `hang:${config}`;
    expect(await call(config, 'GetBook', script)).toBe(4);
    // What is left of the contract's second when the call leaves.
    expect(Number.parseInt(service.withScript(script)[0]?.headers['grpc-timeout'] as string, 10)).toBeLessThanOrEqual(
      1000,
    );
  }
});

test('a client with edge.json makes one try', async () => {
  expect(await call('config/edge.json', 'GetBook', 'fail-first:1:14:edge')).toBe(14);
  expect(service.withScript('fail-first:1:14:edge')).toHaveLength(1);
});
