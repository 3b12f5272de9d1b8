/** `weft diff`: what changed in promises since a commit. */
import type { Mesh } from '../bootstrap/mesh.ts';
import type { Understood } from '../compile.ts';
import { formatPosition } from '../contract/position.ts';
import { type Change, type Danger, dangerOf, sortChanges } from '../diff/change.ts';
import { compareContracts } from '../diff/contracts.ts';
import { compareTopologies } from '../diff/topologies.ts';
import { type Command, UsageError } from './command.ts';
import type { GenerateConfig } from './generate-config.ts';
import { type Paint, paint, wrapped } from './layout.ts';
import { atRevision } from './revision.ts';
import { configuredFor, readWorkspace, understandFolder, workspaceOptions } from './workspace.ts';

const exitCodes: Readonly<Record<Danger, number>> = { neutral: 0, loosening: 3, breaking: 4 };
const dangers = ['breaking', 'loosening', 'neutral'] as const;

export const diffCommand: Command = {
  name: 'diff',
  arguments: '<git-ref> [<git-ref>]',
  summary:
    'What changed in promises since a commit, the most dangerous first: the half that `buf breaking` leaves out.',
  help: `Compares the contract in a commit with the working tree, or with a second commit.

breaking:  callers that were served may be refused, cut off, or left alone with a failure.
loosening: more is let in, repeated or waited for than before, or less is promised.
neutral:   neither.

Exit code 0: nothing, or neutral; 3: loosening; 4: breaking; 2: the question could not be answered.`,
  options: {
    json: { type: 'boolean', about: 'Print the changes as one JSON array.' },
    ...workspaceOptions,
  },
  run: async (args, terminal) => {
    const [from, to, ...others] = args.positionals;
    if (from === undefined || others.length > 0) throw new UsageError('say since when: `weft diff <git-ref>`');
    const config = configuredFor(terminal.folder, args);
    const before = understandRevision(terminal.folder, from, config);
    const after =
      to === undefined ? readWorkspace(terminal.folder, args) : understandRevision(terminal.folder, to, config);
    const changes = compare(before, after);
    terminal.out(args.flag('json') ? inJson(changes) : inWords(changes, paint(terminal.colours)));
    return Math.max(0, ...changes.map((change) => exitCodes[dangerOf(change)]));
  },
};

type Side = Pick<Understood, 'contract'> & { readonly meshes: readonly Mesh[] };

function compare(before: Side, after: Side): Change[] {
  const changes = compareContracts(before.contract, after.contract);
  return sortChanges([...changes, ...compareTopologies(before.meshes, after.meshes, changes)]);
}

/** The contract of a commit, read as buf.gen.yaml says now. */
function understandRevision(folder: string, revision: string, config: GenerateConfig): Understood {
  const { inputs, options } = config;
  const paths = options.topologies === undefined ? inputs : [...inputs, options.topologies];
  return atRevision(folder, revision, paths, (there) => understandFolder(there, config));
}

const inJson = (changes: readonly Change[]): string =>
  `${JSON.stringify(
    changes.map((change) => ({ danger: dangerOf(change), ...change })),
    undefined,
    2,
  )}\n`;

function inWords(changes: readonly Change[], style: Paint): string {
  if (changes.length === 0) return 'No promise changed.\n';
  const titles = {
    breaking: style.bad('breaking'),
    loosening: style.warn('loosening'),
    neutral: style.title('neutral'),
  };
  const sections = dangers.flatMap((danger) => {
    const ofDanger = changes.filter((change) => dangerOf(change) === danger);
    return ofDanger.length === 0
      ? []
      : [[titles[danger], ...ofDanger.flatMap((change) => lines(change, style))].join('\n')];
  });
  return `${sections.join('\n\n')}\n`;
}

function lines({ kind, subject, text, at, topology }: Change, style: Paint): string[] {
  const where = topology === undefined ? '' : ` in the topology ${topology}`;
  return [
    ...wrapped('  ', `${subject} ${text}${where}`),
    style.faint(`      ${at === undefined ? '' : `${formatPosition(at)}  `}[${kind}]`),
  ];
}
