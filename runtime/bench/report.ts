/** Prints what was measured: aligned tables for a terminal, which are Markdown as well. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import type { CaseResult, Finding, Table } from './cases/case.ts';

const PACKAGES = ['@connectrpc/connect', '@connectrpc/connect-node', '@grpc/grpc-js', '@bufbuild/protobuf'];

/** The machine and the versions, without which a figure means nothing. */
export function facts(): string[] {
  const [cpu] = cpus();
  return [
    `${cpus().length} x ${cpu?.model.trim() ?? 'unknown processor'}, ${process.platform} ${process.arch}`,
    `Node ${process.versions.node}, ${PACKAGES.map((name) => `${name} ${versionOf(name)}`).join(', ')}`,
  ];
}

/** A table in Markdown, its columns aligned. */
export function markdown({ title, head, rows, notes = [] }: Table): string {
  const widths = head.map((cell, column) => Math.max(3, cell.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [`### ${title}`, '', line(head), rule, ...rows.map(line), ...notes.flatMap((note) => ['', note]), ''].join(
    '\n',
  );
}

/** What is wanted and what is, in one table, ready for a README; undefined when no case had a wanted ratio. */
export function summary(results: readonly CaseResult[]): Table | undefined {
  const findings = results.flatMap((result) => result.findings ?? []);
  if (findings.length === 0) {
    return undefined;
  }
  const cells = (found: Finding | undefined): string[] =>
    found === undefined ? ['', ''] : [spread(found), `>= ${found.wanted}${isMet(found) ? '' : ' (not met)'}`];
  return {
    title: "The comparator's cost over ours, median and spread of the rounds",
    head: ['Against', 'server', 'wanted', 'client', 'wanted'],
    rows: [...new Set(findings.map(({ against }) => against))].map((against) => {
      const of = (side: Finding['side']) => findings.find((one) => one.side === side && one.against === against);
      return [against, ...cells(of('server')), ...cells(of('client'))];
    }),
  };
}

function spread({ ratio }: Finding): string {
  return `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}-${ratio.max.toFixed(2)})`;
}

function isMet({ ratio, wanted }: Finding): boolean {
  return ratio.median >= wanted;
}

/** Packages may hide their package.json from importers, so it is looked for beside what they do show. */
function versionOf(name: string): string {
  let folder = dirname(createRequire(import.meta.url).resolve(name));
  while (dirname(folder) !== folder) {
    try {
      const found: { name?: string; version?: string } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      if (found.name === name && found.version !== undefined) {
        return found.version;
      }
    } catch {
      // It is further up.
    }
    folder = dirname(folder);
  }
  return 'unknown';
}
