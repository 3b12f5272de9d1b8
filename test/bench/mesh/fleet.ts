/** The processes of a run: one callee, and for each layer a caller's and a callee's Envoy, each layer in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureCertificates } from '../../../dev/src/certificates.ts';
import { envoyBinary } from '../../../dev/src/envoy-binary.ts';
import { freePort } from '../../../dev/src/ports.ts';
import { waitFor } from '../../../dev/src/wait.ts';
import { bootstrapOf, type Layer } from './layers.ts';
import { OpenLoop } from './open-loop.ts';

/** What the calls of one row go through. */
export interface Way {
  readonly name: string;
  readonly load: OpenLoop;
  /** Of the caller's and the callee's Envoy; none for direct calls. */
  readonly envoys: readonly number[];
}

export interface Fleet {
  readonly ways: readonly Way[];
  /** The process of the callee. */
  readonly node: number;
  stop(): Promise<void>;
}

/** Starts everything and waits until each way has answered a call. */
export async function startFleet(layers: readonly Layer[], rpc: string, message: Uint8Array): Promise<Fleet> {
  const state = mkdtempSync(join(tmpdir(), 'weft-bench-'));
  const processes: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(processes.map(end));
    rmSync(state, { recursive: true, force: true });
  };
  try {
    mkdirSync(join(state, 'run'));
    await ensureCertificates(state, ['pricing', 'inventory']);
    const upstream = spawn(process.execPath, [join(import.meta.dirname, 'upstream.ts')], {
      cwd: state,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    processes.push(upstream);
    const [said] = await once(upstream.stdout, 'data');
    const direct = await OpenLoop.open(String(said).trim(), 'inventory', rpc, message);
    const ways: Way[] = [{ name: 'direct', load: direct, envoys: [] }];
    const binary = await envoyBinary();
    for (const [index, layer] of layers.entries()) {
      const folder = join(state, String(index));
      layFolder(folder);
      const port = await freePort();
      const envoys = ['pricing', 'inventory'].map((workload) => {
        writeFileSync(join(folder, `${workload}.yaml`), JSON.stringify(bootstrapOf(workload, layer, port)));
        const envoy = startEnvoy(binary, folder, workload);
        processes.push(envoy);
        return envoy.pid ?? 0;
      });
      const options = { withinMs: 30_000, everyMs: 100 };
      const answers = async (): Promise<OpenLoop> => {
        const load = await OpenLoop.open(`127.0.0.1:${port}`, 'inventory', rpc, message);
        await load.call();
        return load;
      };
      const load = await waitFor(`an answer through "${layer.name}"`, answers, options).catch((error) => {
        throw new Error(logsOf(folder), { cause: error });
      });
      ways.push({ name: layer.name, load, envoys });
    }
    return { ways, node: upstream.pid ?? 0, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function layFolder(folder: string): void {
  for (const name of ['run', 'logs']) mkdirSync(join(folder, name), { recursive: true });
  symlinkSync('../certs', join(folder, 'certs'));
  for (const name of ['inventory.app.sock', 'otlp.sock']) symlinkSync(`../../run/${name}`, join(folder, 'run', name));
}

/** As the local mesh starts them. */
function startEnvoy(binary: string, folder: string, workload: string): ChildProcess {
  const args = ['-c', `${workload}.yaml`, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'warning'];
  args.push('--file-flush-interval-msec', '1000', '--log-path', `logs/${workload}.log`);
  return spawn(binary, args, { cwd: folder, stdio: 'ignore' });
}

const logsOf = (folder: string): string =>
  ['pricing', 'inventory'].map((name) => readFileSync(join(folder, `logs/${name}.log`), 'utf8')).join('\n');

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
