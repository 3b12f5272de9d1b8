/** Text for terminals of 100 columns: wrapped, with a hanging margin, and coloured where colours are taken. */
import { styleText } from 'node:util';

/** Columns that are written to. */
export const width = 100;

/** Colours by what they mean; without colours each gives the text back as it is. */
export interface Paint {
  title(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  warn(text: string): string;
  faint(text: string): string;
}

export function paint(colours: boolean): Paint {
  const style = (format: Parameters<typeof styleText>[0]) => (text: string) =>
    colours ? styleText(format, text, { validateStream: false }) : text;
  return {
    title: style('bold'),
    good: style(['bold', 'green']),
    bad: style(['bold', 'red']),
    warn: style(['bold', 'yellow']),
    faint: style('dim'),
  };
}

/** `text` in lines that end before the margin; the first begins with `first`, the others with as many spaces. */
export function wrapped(first: string, text: string): string[] {
  const room = Math.max(20, width - first.length);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  const margin = ' '.repeat(first.length);
  return lines.map((one, index) => (index === 0 ? first : margin) + one);
}
