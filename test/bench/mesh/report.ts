/** What a run of the mesh's benchmark shows: tables, and which goals are met. */
import { median, quantile, type Spread, spreadOf } from '../../../runtime/bench/statistics.ts';

/** One round of one way at one rate. CPU is in milliseconds a second for 1,000 calls a second, which is µs a call. */
export interface Sample {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly caller: number;
  readonly callee: number;
  readonly node: number;
}

export interface Row {
  readonly name: string;
  /** By calls a second, round by round. */
  readonly samples: ReadonlyMap<number, readonly Sample[]>;
  readonly memory: readonly { readonly resident: number; readonly anonymous: number }[];
}

export const percentiles = (tookMs: readonly number[]) => ({
  p50Ms: quantile(tookMs, 0.5),
  p99Ms: quantile(tookMs, 0.99),
});

const digits = ({ median: middle, min, max }: Spread, places: number): string =>
  `${middle.toFixed(places)} (${min.toFixed(places)} to ${max.toFixed(places)})`;

const at = ({ samples }: Row, rate: number): readonly Sample[] => samples.get(rate) ?? [];
const over = (row: Row, rate: number, value: (sample: Sample) => number): Spread => spreadOf(at(row, rate).map(value));

/** Round by round what `row` needs beyond `base`. */
const added = (row: Row, base: Row, rate: number, value: (sample: Sample) => number): Spread =>
  spreadOf(at(row, rate).map((sample, round) => value(sample) - value(at(base, rate)[round] ?? sample)));

/**
 * CPU of an Envoy over that of `base`'s. Each is divided by what the callee's process used in the same seconds for the same work, so
 * that a machine that became slower or faster in between does not count.
 */
const ratio = (row: Row, base: Row, rate: number, end: 'caller' | 'callee'): Spread =>
  spreadOf(
    at(row, rate).map((sample, round) => {
      const other = at(base, rate)[round] ?? sample;
      return sample[end] / sample.node / (other[end] / other.node);
    }),
  );

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map((_, index) => (index === 0 ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');

export function latencyTable(rows: readonly Row[], rate: number): string {
  const base = rows[0];
  return table(
    [`${rate} calls a second`, 'p50, ms', 'added', 'p99, ms', 'added'],
    rows.map((row) => [
      row.name,
      digits(
        over(row, rate, ({ p50Ms }) => p50Ms),
        2,
      ),
      base && row !== base
        ? digits(
            added(row, base, rate, ({ p50Ms }) => p50Ms),
            2,
          )
        : '',
      digits(
        over(row, rate, ({ p99Ms }) => p99Ms),
        2,
      ),
      base && row !== base
        ? digits(
            added(row, base, rate, ({ p99Ms }) => p99Ms),
            2,
          )
        : '',
    ]),
  );
}

/** `base` is what the ratios are to. */
export function costTable(rows: readonly Row[], base: Row | undefined, rate: number): string {
  return table(
    [
      'CPU, µs a call',
      'caller’s Envoy',
      `over ${base?.name}`,
      'callee’s Envoy',
      `over ${base?.name}`,
      'node',
      'RSS, MB',
      'of it its own',
    ],
    rows.map((row) => {
      const hasEnvoys = row.memory.length > 0;
      const memory = (value: (of: Row['memory'][number]) => number): string =>
        hasEnvoys ? row.memory.map((of) => value(of).toFixed(0)).join(' / ') : '';
      const ends = (['caller', 'callee'] as const).flatMap((end) => [
        hasEnvoys
          ? digits(
              over(row, rate, (sample) => sample[end]),
              0,
            )
          : '',
        hasEnvoys && base ? digits(ratio(row, base, rate, end), 2) : '',
      ]);
      const node = digits(
        over(row, rate, (sample) => sample.node),
        0,
      );
      return [row.name, ...ends, node, memory(({ resident }) => resident), memory(({ anonymous }) => anonymous)];
    }),
  );
}

/** What is promised of `full`, against direct calls and two plain proxies; medians of the rounds. */
export function verdicts(direct: Row, plain: Row, full: Row): string {
  const goals: [what: string, value: number, most: number, unit: string][] = [
    ['added p50 at 1,000 a second', added(full, direct, 1000, ({ p50Ms }) => p50Ms).median, 0.7, 'ms'],
    ['added p50 at 100 a second', added(full, direct, 100, ({ p50Ms }) => p50Ms).median, 1, 'ms'],
    ['added p99 at 1,000 a second', added(full, direct, 1000, ({ p99Ms }) => p99Ms).median, 3, 'ms'],
    ['caller’s CPU over a plain proxy', ratio(full, plain, 1000, 'caller').median, 1.15, ''],
    ['callee’s CPU over a plain proxy', ratio(full, plain, 1000, 'callee').median, 1.15, ''],
    ['cores for 1,000 a second, caller', median(at(full, 1000).map(({ caller }) => caller)) / 1000, 0.25, ''],
    ['cores for 1,000 a second, callee', median(at(full, 1000).map(({ callee }) => callee)) / 1000, 0.25, ''],
    ['memory of a sidecar', Math.max(...full.memory.map(({ resident }) => resident)), 60, 'MB'],
  ];
  return table(
    [`Goal for "${full.name}"`, 'measured', 'at most', ''],
    goals.map(([what, value, most, unit]) => [
      what,
      `${value.toFixed(2)} ${unit}`,
      `${most} ${unit}`,
      value <= most ? 'met' : '**not met**',
    ]),
  );
}
