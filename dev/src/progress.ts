/**
 * What a person sees while the mesh starts: one line a step with its duration, moving while it runs on a terminal, plain
 * lines elsewhere. Steps may run at the same time.
 */
import type { WriteStream } from 'node:tty';

/** Sets the few words that stand behind a step's title: a version, a count, a port. */
export type Note = (detail: string) => void;

export interface Progress {
  /** Runs one step and shows its title, its note and its duration; a step that throws is marked and throws on. */
  step<T>(title: string, work: (note: Note) => Promise<T>): Promise<T>;
  /** Prints lines between the steps. */
  say(text: string): void;
  /** Takes the moving lines away for good. */
  end(): void;
}

interface RunningStep {
  title: string;
  detail: string;
  startedMs: number;
}

const frames = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
const titleColumns = 44;

/** Progress on `stream`; moving when it is a terminal. */
export function terminalProgress(stream: WriteStream): Progress {
  return stream.isTTY ? movingProgress(stream) : plainProgress((line) => stream.write(`${line}\n`));
}

/** Progress that says nothing, for tests. */
export function silentProgress(): Progress {
  return { step: (_title, work) => work(() => {}), say: () => {}, end: () => {} };
}

/** Progress as plain lines: one when a step begins, one when it ends. */
export function plainProgress(write: (line: string) => void): Progress {
  return {
    async step(title, work) {
      write(`  … ${title}`);
      const step = { title, detail: '', startedMs: performance.now() };
      return track(step, work, write);
    },
    say: write,
    end: () => {},
  };
}

function movingProgress(stream: WriteStream): Progress {
  const running = new Set<RunningStep>();
  let drawnLines = 0;
  let frame = 0;
  let timer: NodeJS.Timeout | undefined;

  const clear = () => {
    if (drawnLines > 0) stream.write(`\x1b[${drawnLines}A\x1b[0J`);
    drawnLines = 0;
  };
  const draw = () => {
    for (const step of running) {
      stream.write(`${format(frames.charAt(frame % frames.length), step, stream.columns)}\n`);
      drawnLines += 1;
    }
  };
  const redraw = () => {
    clear();
    draw();
  };
  const write = (line: string) => {
    clear();
    stream.write(`${line}\n`);
    draw();
  };

  return {
    async step(title, work) {
      const step = { title, detail: '', startedMs: performance.now() };
      running.add(step);
      timer ??= setInterval(() => {
        frame += 1;
        redraw();
      }, 100);
      redraw();
      try {
        return await track(step, work, (line) => {
          running.delete(step);
          write(line);
        });
      } finally {
        if (running.size === 0) {
          clearInterval(timer);
          timer = undefined;
        }
      }
    },
    say: write,
    end() {
      clear();
      running.clear();
      clearInterval(timer);
      timer = undefined;
    },
  };
}

async function track<T>(
  step: RunningStep,
  work: (note: Note) => Promise<T>,
  write: (line: string) => void,
): Promise<T> {
  try {
    const result = await work((detail) => {
      step.detail = detail;
    });
    write(format('✓', step));
    return result;
  } catch (error) {
    write(format('✗', step));
    throw error;
  }
}

function format(mark: string, step: RunningStep, columns = Number.POSITIVE_INFINITY): string {
  const seconds = `${((performance.now() - step.startedMs) / 1000).toFixed(1)} s`;
  const text = step.detail === '' ? step.title : `${step.title} (${step.detail})`;
  return `  ${mark} ${text.padEnd(titleColumns)} ${seconds.padStart(7)}`.slice(0, columns);
}
