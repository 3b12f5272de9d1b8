/** `weft new`: scaffolds a service: its contract, its code, its test, and where containers run it. */
import { namesOf } from '../scaffold/names.ts';
import { nextSteps } from '../scaffold/next-steps.ts';
import { planScaffold } from '../scaffold/plan.ts';
import { ScaffoldRefusal } from '../scaffold/refusal.ts';
import { readRepository } from '../scaffold/repository.ts';
import { refuseWhatIsThere, writeScaffold } from '../scaffold/write.ts';
import { type Arguments, type Command, type Terminal, UsageError } from './command.ts';

export const newCommand: Command = {
  name: 'new',
  arguments: '<package>',
  summary: 'Scaffolds a service: proto, code, test, container.',
  help: `\`weft new acme.notes.v1\` writes acme/notes/v1/note_service.proto below the proto folder of buf.gen.yaml, and
services/notes. No file that is there is overwritten, and nothing is written unless all is.
Exit code 0: written, or with --dry-run could be; 2: refused, and nothing was written.`,
  options: {
    workload: { type: 'string', value: 'NAME', about: 'The workload. Default: the word before the version.' },
    service: {
      type: 'string',
      value: 'NAME',
      about: 'The service. Default: NoteService for the package acme.notes.v1.',
    },
    database: { type: 'boolean', about: 'A database of its own, instead of the memory of its process.' },
    'dry-run': { type: 'boolean', about: 'Say what would be written, and write nothing.' },
  },
  async run(args, terminal) {
    try {
      return scaffold(args, terminal);
    } catch (error) {
      if (error instanceof ScaffoldRefusal) throw new UsageError(error.message);
      throw error;
    }
  },
};

function scaffold(args: Arguments, terminal: Terminal): number {
  const [protoPackage, ...others] = args.positionals;
  if (protoPackage === undefined || others.length > 0) {
    throw new UsageError('say one package, such as `weft new acme.notes.v1`');
  }
  const names = namesOf({ protoPackage, workload: args.text('workload'), service: args.text('service') });
  const repository = readRepository(terminal.folder);
  const hasDatabase = args.flag('database');
  const plan = planScaffold(names, repository, hasDatabase ? migrationTime() : undefined);
  const isDry = args.flag('dry-run');
  if (isDry) refuseWhatIsThere(terminal.folder, plan.created);
  else writeScaffold(terminal.folder, plan);
  terminal.out(
    [
      isDry ? 'Would write:' : 'Written:',
      ...plan.created.map(({ name }) => `  ${name}`),
      ...plan.edited.map(({ name }) => `  ${name} (entries added)`),
      nextSteps(names, repository, plan, hasDatabase),
    ].join('\n'),
  );
  return 0;
}

/** Now, in the form in which migrations are sorted: `20261126215300`. */
const migrationTime = (): string => new Date().toISOString().replace(/\D/g, '').slice(0, 14);
