/** `weft explain`: whether a caller may call an RPC and what holds on the way, or which rule refused a line of an access log. */
import { edgeName } from '../blocks/names.ts';
import type { Contract } from '../contract/contract.ts';
import { explain, rpcsNamed } from '../explain/explain.ts';
import { renderExplanation } from '../explain/render.ts';
import { type Arguments, type Command, type Terminal, UsageError } from './command.ts';
import { paint } from './layout.ts';
import { didYouMean, nearest } from './nearest.ts';
import { chooseMesh, readWorkspace, workspaceOptions } from './workspace.ts';

export const explainCommand: Command = {
  name: 'explain',
  arguments: '<caller> <rpc>',
  summary: 'May this workload (or `edge`) call this RPC, through which hops, and what holds at each.',
  help: `<caller> is the name of a workload, or \`edge\` for calls from outside. <rpc> is a full name or any end of one that only
one RPC has, such as \`ItemService/GetItem\` or \`GetItem\`. Each fact is followed by the line of the contract that says it
and the line of the generated bootstrap that keeps it.

Exit code 0: it may; 1: it may not; 2: the question could not be answered.`,
  options: {
    topology: {
      type: 'string',
      value: 'NAME',
      about: 'Whose addresses and tightenings; default `local`, else the first.',
    },
    fragments: { type: 'boolean', about: 'Print the generated fragments, not only where they stand.' },
    json: { type: 'boolean', about: 'Print the answer as one JSON object.' },
    ...workspaceOptions,
  },
  run: async (args, terminal) => explainCall(args, terminal),
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
