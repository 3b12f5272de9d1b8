/** `weft explain`: whether a caller may call an RPC and what holds on the way, or which rule refused a line of an access log. */
import { edgeName } from '../blocks/names.ts';
import type { Contract } from '../contract/contract.ts';
import { readAccessLine } from '../explain/access-line.ts';
import { Bootstraps } from '../explain/bootstraps.ts';
import { explain, rpcsNamed } from '../explain/explain.ts';
import { renderExplanation, renderVerdict } from '../explain/render.ts';
import { whyDenied } from '../explain/why-denied.ts';
import { didYouMean, nearest } from '../nearest.ts';
import { type Arguments, type Command, type Terminal, UsageError } from './command.ts';
import { paint } from './layout.ts';
import { chooseMesh, readWorkspace, workspaceOptions } from './workspace.ts';

export const explainCommand: Command = {
  name: 'explain',
  arguments: '<caller> <rpc>',
  summary: 'May this workload (or `edge`) call this RPC, through which hops, and what holds at each.',
  help: `<caller> is the name of a workload, or \`edge\` for calls from outside. <rpc> is a full name or any end of one that only
one RPC has, such as \`ShelfService/GetBook\` or \`GetBook\`. Each fact is followed by the line of the contract that says it
and the line of the generated bootstrap that keeps it.

With --why-denied there is no caller and no RPC: the access log line of an Envoy says both. It tells which rule refused the
call, where that rule stands, and the mend.

Exit code 0: it may, or nothing was refused; 1: it may not, or something was; 2: the question could not be answered.`,
  options: {
    'why-denied': {
      type: 'string',
      value: 'LINE',
      about: 'Judge a line of an access log, a JSON object; `-` for all lines of standard input.',
    },
    workload: { type: 'string', value: 'NAME', about: 'Whose Envoy wrote the line, where it does not tell itself.' },
    topology: {
      type: 'string',
      value: 'NAME',
      about: 'Whose addresses and tightenings; default `local`, else the first.',
    },
    fragments: { type: 'boolean', about: 'Print the generated fragments, not only where they stand.' },
    json: { type: 'boolean', about: 'Print the answer as one JSON object.' },
    ...workspaceOptions,
  },
  run: async (args, terminal) => {
    const line = args.text('why-denied');
    if (line === undefined) return explainCall(args, terminal);
    return explainLines(line === '-' ? await terminal.input() : line, args, terminal);
  },
};

function explainCall(args: Arguments, terminal: Terminal): number {
  const [caller, word, ...others] = args.positionals;
  if (caller === undefined || word === undefined || others.length > 0) {
    throw new UsageError('say who calls and what: `weft explain <caller> <rpc>`');
  }
  const workspace = readWorkspace(terminal.folder, args);
  const mesh = chooseMesh(workspace, args.text('topology'));
  const { contract } = mesh;
  const question = { mesh, declared: workspace.declared, out: workspace.config.out };
  const answer = explain({ ...question, caller: knownCaller(contract, caller), rpc: knownRpc(contract, word) });
  const style = { paint: paint(terminal.colours), fragments: args.flag('fragments') };
  terminal.out(args.flag('json') ? `${JSON.stringify(answer, undefined, 2)}\n` : renderExplanation(answer, style));
  return answer.allowed ? 0 : 1;
}

function explainLines(text: string, args: Arguments, terminal: Terminal): number {
  if (args.positionals.length > 0)
    throw new UsageError('--why-denied takes a line, and no caller and no RPC beside it');
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const read = lines.map((line) => {
    const accessLine = readAccessLine(line);
    if (accessLine) return accessLine;
    throw new UsageError(
      `this is no line of an access log of the mesh, which is a JSON object:\n${line.slice(0, 200)}`,
    );
  });
  if (read.length === 0) throw new UsageError('there is no line to judge');
  const workspace = readWorkspace(terminal.folder, args);
  const mesh = chooseMesh(workspace, args.text('topology'));
  const source = { mesh, declared: workspace.declared, bootstraps: new Bootstraps(mesh, workspace.config.out) };
  const workload = args.text('workload');
  const writer = workload === undefined ? undefined : knownCaller(mesh.contract, workload);
  const verdicts = read.map((line) => whyDenied(line, source, writer));
  const style = { paint: paint(terminal.colours), fragments: args.flag('fragments') };
  const rendered = verdicts.map((verdict) => renderVerdict(verdict, style)).join('\n');
  terminal.out(args.flag('json') ? `${JSON.stringify(verdicts, undefined, 2)}\n` : rendered);
  return verdicts.some(({ denied }) => denied) ? 1 : 0;
}

function knownCaller({ workloads }: Contract, word: string): string {
  const names = [edgeName, ...workloads.keys()];
  if (names.includes(word)) return word;
  throw new UsageError(
    `there is no workload "${word}"${didYouMean(nearest(word, names))}\nThere are ${names.join(', ')}.`,
  );
}

/** Most RPCs that an ambiguous word lists. */
const mostListed = 10;

function knownRpc(contract: Contract, word: string): string {
  const found = rpcsNamed(contract, word);
  const [only] = found;
  if (only && found.length === 1) return only.fullName;
  if (only) {
    const listed = found.slice(0, mostListed).map(({ fullName }) => `  ${fullName}`);
    const more = found.length > mostListed ? [`  and ${found.length - mostListed} more`] : [];
    throw new UsageError(
      [`"${word}" may be ${found.length} RPCs; say more of the name:`, ...listed, ...more].join('\n'),
    );
  }
  const similar = nearestRpc(contract, word);
  const listed = similar === undefined ? namesWith(contract, word) : [];
  throw new UsageError([`there is no RPC "${word}"${didYouMean(similar)}`, ...listed].join('\n'));
}

/** A few RPCs that have the word somewhere in their names. */
const namesWith = ({ methods }: Contract, word: string): string[] =>
  [...methods.keys()]
    .filter((name) => name.toLowerCase().includes(word.toLowerCase()))
    .slice(0, mostListed)
    .map((name) => `  ${name}`);

/** Compares with as much of each name as was written. */
function nearestRpc({ methods }: Contract, word: string): string | undefined {
  const byEnd = new Map<string, string>();
  for (const { fullName } of methods.values()) {
    const [service = '', method = ''] = fullName.split('/');
    const shortName = service.split('.').at(-1);
    for (const end of [method, `${shortName}/${method}`, `${shortName}.${method}`, fullName]) byEnd.set(end, fullName);
  }
  const end = nearest(word, [...byEnd.keys()]);
  return end === undefined ? undefined : byEnd.get(end);
}
