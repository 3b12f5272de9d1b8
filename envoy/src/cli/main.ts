/** The program `weft`: joins the commands to this process's arguments, streams and exit code. */
import { text } from 'node:stream/consumers';
import { commands } from './commands.ts';
import { dispatch } from './dispatch.ts';

// A reader that has enough (`weft explain ... | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await dispatch(commands, process.argv.slice(2), {
  folder: process.cwd(),
  colours: process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
  out: (line) => void process.stdout.write(line),
  error: (line) => void process.stderr.write(line),
  input: () => text(process.stdin),
});
