/** From a command line to a command: its options, its help, and clear words for what there is not. */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { ContractError } from '../compile.ts';
import { InputError } from '../input-error.ts';
import { didYouMean, nearest } from '../nearest.ts';
import { type Arguments, type Command, type Option, type Terminal, UsageError } from './command.ts';

/** What every command understands. */
const help: Option = { type: 'boolean', short: 'h', about: 'This text.' };

/** Runs the command that `argv` (without node and script) asks for, and resolves with the exit code. */
export async function dispatch(
  commands: readonly Command[],
  argv: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const [name, ...rest] = argv;
  if (name === '--help' || name === '-h' || name === 'help') {
    terminal.out(overview(commands));
    return 0;
  }
  if (name === undefined) {
    terminal.error(overview(commands));
    return 2;
  }
  const command = commands.find((candidate) => candidate.name === name);
  if (!command) {
    const what = name.startsWith('-') ? `there is no option ${name} before a command` : `there is no command "${name}"`;
    const names = commands.map((candidate) => candidate.name);
    terminal.error(`weft: ${what}${didYouMean(nearest(name, names))}\n\n${overview(commands)}`);
    return 2;
  }
  return runCommand(command, rest, terminal);
}

async function runCommand(command: Command, argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const args = readArguments(command, argv);
    if (args.flag('help')) {
      terminal.out(commandHelp(command));
      return 0;
    }
    return await command.run(args, terminal);
  } catch (error) {
    if (error instanceof InputError) {
      terminal.error(`weft ${command.name}: ${error.message}\n`);
      return 2;
    }
    if (error instanceof ContractError) {
      terminal.error(`weft ${command.name}: the contract does not compile:\n${error.message}\n`);
      return 2;
    }
    throw error;
  }
}

function readArguments(command: Command, argv: readonly string[]): Arguments {
  const known: Record<string, Option> = { ...command.options, help };
  const { values, positionals } = parse(command, known, argv);
  const texts = (option: string): string[] => [values[option]].flat().filter((value) => typeof value === 'string');
  return {
    positionals,
    text: (option) => texts(option).at(-1),
    texts,
    flag: (option) => values[option] === true,
  };
}

function parse(command: Command, known: Readonly<Record<string, Option>>, argv: readonly string[]) {
  const options: ParseArgsOptionsConfig = {};
  for (const [name, { type, short, multiple }] of Object.entries(known)) {
    options[name] = { type, ...(short && { short }), ...(multiple && { multiple }) };
  }
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!code?.startsWith('ERR_PARSE_ARGS_')) throw error;
    const unknown = /^Unknown option '(-+)?([^']+)'/.exec(message)?.[2];
    const hint = unknown === undefined ? '' : didYouMean(nearest(unknown, Object.keys(known)), '--');
    throw new UsageError(`${firstSentence(message)}${hint}\n\n${usageLine(command)}`);
  }
}

/** parseArgs goes on to explain what is rarely meant. */
const firstSentence = (message: string): string => message.split(/\. (?=To )/, 1)[0] ?? message;

const usageLine = ({ name, arguments: positional }: Command): string =>
  `Usage: weft ${name} ${positional}\n\`weft ${name} --help\` says more.`;

function overview(commands: readonly Command[]): string {
  const rows = commands.map(({ name, arguments: positional, summary }) => [`${name} ${positional}`, summary] as const);
  return [
    'weft: asks the contract of this folder, as `buf.gen.yaml` names it.',
    '',
    ...columns(rows),
    '',
    '`weft <command> --help` says more. Exit code 2: the question could not be answered.',
    '',
  ].join('\n');
}

function commandHelp({ name, arguments: positional, summary, help: more, options }: Command): string {
  const rows = Object.entries({ ...options, help }).map(([option, { short, value, about }]) => {
    return [`${short ? `-${short}, ` : ''}--${option}${value ? ` ${value}` : ''}`, about] as const;
  });
  return [`Usage: weft ${name} ${positional}`, '', summary, '', more.trim(), '', ...columns(rows), ''].join('\n');
}

/** Two columns, the second one indented where it has several lines; a first cell that is too wide has a line of its own. */
function columns(rows: readonly (readonly [string, string])[]): string[] {
  const widest = 26;
  const width = Math.min(widest, Math.max(0, ...rows.map(([left]) => left.length)));
  const margin = ' '.repeat(width + 4);
  return rows.flatMap(([left, right]) => {
    const lines = right.split('\n');
    const [first = '', ...others] = lines;
    const head = left.length > width ? [`  ${left}`, `${margin}${first}`] : [`  ${left.padEnd(width)}  ${first}`];
    return [...head, ...others.map((line) => `${margin}${line}`)];
  });
}
