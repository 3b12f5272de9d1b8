/** `weft check`: whether the Envoys of a running mesh have the configuration that the contract compiles to. */
import { resolve } from 'node:path';
import { edgeName } from '../blocks/names.ts';
import { edgeBootstrap } from '../bootstrap/edge.ts';
import type { Mesh } from '../bootstrap/mesh.ts';
import { sidecarBootstrap } from '../bootstrap/sidecar.ts';
import { liveBootstrap } from '../live-check/admin.ts';
import { compareConfiguration, type Difference } from '../live-check/compare.ts';
import { withPorts } from '../live-check/ports.ts';
import { type Arguments, type Command, type Terminal, UsageError } from './command.ts';
import { chooseMesh, readWorkspace, workspaceOptions } from './workspace.ts';

/** What was found at one Envoy. */
interface Finding {
  readonly workload: string;
  /** Why it could not be asked. */
  readonly failure?: string;
  readonly differences: readonly Difference[];
}

export const checkCommand: Command = {
  name: 'check',
  arguments: '--against <folder>',
  summary: 'Do the Envoys of a running mesh have the configuration that the contract compiles to?',
  help: `Asks the admin interface of the edge and of every sidecar, at the addresses of the topology, and compares what runs with what
the contract says now. <folder> is where the Envoys were started: paths of Unix sockets are relative to it.

Exit code 0: all are equal; 1: some differ, or do not answer; 2: the question could not be answered.`,
  options: {
    against: { type: 'string', value: 'FOLDER', about: 'The folder in which the Envoys run.' },
    topology: { type: 'string', value: 'NAME', about: 'What they were started from; default `local`, else the first.' },
    port: {
      type: 'string',
      value: '8080=18080',
      multiple: true,
      about: 'A port of a loopback address that is another one in the running mesh.',
    },
    json: { type: 'boolean', about: 'Print the findings as one JSON array.' },
    ...workspaceOptions,
  },
  run: async (args, terminal) => {
    const against = args.text('against');
    if (against === undefined || args.positionals.length > 0) {
      throw new UsageError('say which mesh: `weft check --against <folder>`');
    }
    const mesh = chooseMesh(readWorkspace(terminal.folder, args), args.text('topology'));
    const ports = portsOf(args);
    const findings = await Promise.all(
      [edgeName, ...mesh.contract.workloads.keys()].map((workload) =>
        find(mesh, workload, resolve(terminal.folder, against), ports),
      ),
    );
    tell(findings, args, terminal);
    return findings.every(isEqual) ? 0 : 1;
  },
};

async function find(
  mesh: Mesh,
  workload: string,
  folder: string,
  ports: ReadonlyMap<number, number>,
): Promise<Finding> {
  const entry = mesh.contract.workloads.get(workload);
  const compiled = withPorts(entry ? sidecarBootstrap(mesh, entry) : edgeBootstrap(mesh), ports);
  try {
    const live = await liveBootstrap(mesh.topology.placeOf(workload).admin, folder);
    return { workload, differences: compareConfiguration(compiled, live) };
  } catch (error) {
    return { workload, failure: error instanceof Error ? error.message : String(error), differences: [] };
  }
}

function portsOf(args: Arguments): Map<number, number> {
  return new Map(
    args.texts('port').map((text) => {
      const [, from, to] = /^(\d{1,5})=(\d{1,5})$/.exec(text) ?? [];
      if (from === undefined || to === undefined) throw new UsageError(`--port ${text} is not as 8080=18080`);
      return [Number(from), Number(to)];
    }),
  );
}

const isEqual = ({ failure, differences }: Finding): boolean => failure === undefined && differences.length === 0;

function tell(findings: readonly Finding[], args: Arguments, terminal: Terminal): void {
  if (args.flag('json')) {
    terminal.out(`${JSON.stringify(findings, undefined, 2)}\n`);
    return;
  }
  for (const finding of findings) terminal.out(findingInWords(finding));
  const equal = findings.filter(isEqual).length;
  const moved = findings.flatMap(({ differences }) => differences).find(({ path }) => path.endsWith('.port_value'));
  if (moved) terminal.out(`For a mesh that was started on other ports: --port ${moved.compiled}=${moved.live}\n`);
  terminal.out(`${equal} of ${findings.length} Envoys have what the contract compiles to.\n`);
}

/** Longest value that is printed whole, in characters. */
const longestValue = 160;

function findingInWords({ workload, failure, differences }: Finding): string {
  if (failure !== undefined) return `${workload}: ${failure}\n`;
  if (differences.length === 0) return `${workload}: equal\n`;
  const lines = differences.map(({ path, compiled, live, source }) =>
    [
      `  ${path}`,
      `    contract  ${shortened(compiled)}${source === undefined ? '' : `   ${source}`}`,
      `    live      ${shortened(live)}`,
    ].join('\n'),
  );
  return `${workload}: ${differences.length === 1 ? 'one difference' : `${differences.length} differences`}\n${lines.join('\n')}\n`;
}

const shortened = (value = 'nothing'): string =>
  value.length > longestValue ? `${value.slice(0, longestValue)}...` : value;
