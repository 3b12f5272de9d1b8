/** The command line as a person meets it: help, what is misspelt, and exit codes. Run as the program that `npx weft` runs. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { type Command, UsageError } from '../../src/cli/command.ts';
import { commands } from '../../src/cli/commands.ts';
import { dispatch } from '../../src/cli/dispatch.ts';

const program = fileURLToPath(new URL('../../bin/weft', import.meta.url));
const weft = (...args: string[]) => spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });

describe('the program', () => {
  test('`weft` alone shows what there is, and fails', () => {
    const { status, stdout, stderr } = weft();
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    for (const { name } of commands) expect(stderr).toMatch(new RegExp(`^  ${name} `, 'm'));
  });

  test('`weft --help` shows the same and is content', () => {
    expect(weft('--help')).toMatchObject({ status: 0, stdout: weft().stderr, stderr: '' });
  });

  test('a command that there is not', () => {
    const { status, stderr } = weft('nonsense');
    expect(status).toBe(2);
    expect(stderr).toMatch(/^weft: there is no command "nonsense"\n/);
  });
});

/** A command with each kind of option. */
const greet: Command = {
  name: 'greet',
  arguments: '<name>',
  summary: 'Greets.',
  help: 'Says it once.',
  options: {
    loud: { type: 'boolean', about: 'With an exclamation mark.' },
    greeting: { type: 'string', value: 'WORD', about: 'Another word than Hello.' },
    and: { type: 'string', value: 'NAME', multiple: true, about: 'Somebody else.\nMay be repeated.' },
  },
  run: async (args, terminal) => {
    const [name] = args.positionals;
    if (name === undefined) throw new UsageError('whom?');
    const names = [name, ...args.texts('and')].join(' and ');
    terminal.out(`${args.text('greeting') ?? 'Hello'} ${names}${args.flag('loud') ? '!' : '.'}\n`);
    return 1;
  },
};

async function run(...argv: string[]) {
  let stdout = '';
  let stderr = '';
  const status = await dispatch([greet], argv, {
    folder: '.',
    colours: false,
    out: (text) => {
      stdout += text;
    },
    error: (text) => {
      stderr += text;
    },
    input: async () => '',
  });
  return { status, stdout, stderr };
}

describe('a command', () => {
  test('gets its arguments, and its exit code is handed on', async () => {
    const { status, stdout } = await run('greet', 'Ann', '--and', 'Bo', '--and=Cy', '--greeting', 'Hi', '--loud');
    expect({ status, stdout }).toEqual({ status: 1, stdout: 'Hi Ann and Bo and Cy!\n' });
  });

  test('shows each of its options in its help', async () => {
    const { status, stdout } = await run('greet', '--help');
    expect(status).toBe(0);
    expect(stdout).toBe(
      [
        'Usage: weft greet <name>',
        '',
        'Greets.',
        '',
        'Says it once.',
        '',
        '  --loud           With an exclamation mark.',
        '  --greeting WORD  Another word than Hello.',
        '  --and NAME       Somebody else.',
        '                   May be repeated.',
        '  -h, --help       This text.',
        '',
      ].join('\n'),
    );
  });

  test.each([
    [['greet'], 'weft greet: whom?\n'],
    [['greet', 'Ann', '--laud'], "weft greet: Unknown option '--laud'; did you mean --loud?\n"],
    [['greet', 'Ann', '--greeting'], "weft greet: Option '--greeting <value>' argument missing\n"],
    [['great', 'Ann'], 'weft: there is no command "great"; did you mean greet?\n'],
    [['--loud'], 'weft: there is no option --loud before a command\n'],
  ])('refuses %j', async (argv, says) => {
    const { status, stdout, stderr } = await run(...argv);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr.slice(0, says.length)).toBe(says);
  });
});
