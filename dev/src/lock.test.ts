import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { lockStateFolder } from './lock.ts';
import { scratchFolder } from './testing/scratch.ts';

const module = fileURLToPath(new URL('./lock.ts', import.meta.url));

async function holder(folder: string): Promise<{ pid: number; kill: () => Promise<void> }> {
  const program = `const { lockStateFolder } = await import(${JSON.stringify(module)});
    lockStateFolder(${JSON.stringify(folder)}); console.log('locked'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return {
    pid: child.pid ?? 0,
    kill: async () => {
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
}

test('a second start is refused and told who holds the folder, until that one is gone, however it went', async () => {
  const folder = scratchFolder();
  const first = await holder(folder);
  expect(() => lockStateFolder(folder)).toThrow(
    expect.objectContaining({
      message: 'Weft already runs on this state folder',
      why: expect.stringContaining(String(first.pid)),
    }),
  );
  await first.kill();
  lockStateFolder(folder).release();
});

test('of many starts at once exactly one gets the folder', async () => {
  const folder = scratchFolder();
  const program = `const { lockStateFolder } = await import(${JSON.stringify(module)});
    try { lockStateFolder(${JSON.stringify(folder)}); console.log('won'); setTimeout(() => {}, 1500); } catch { console.log('lost'); }`;
  const answers = Array.from({ length: 6 }, async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [text] = await once(child.stdout, 'data');
    await once(child, 'exit');
    return String(text).trim();
  });
  expect((await Promise.all(answers)).toSorted()).toEqual(['lost', 'lost', 'lost', 'lost', 'lost', 'won']);
}, 20_000);

test('a folder that was given back can be taken again', () => {
  const folder = scratchFolder();
  lockStateFolder(folder).release();
  lockStateFolder(folder).release();
});
