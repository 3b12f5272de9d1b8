/**
 * Multi-window, multi-burn-rate alerts as the SRE workbook has them (https://sre.google/workbook/alerting-on-slos/): how many times
 * faster than promised the budget is spent, over a long window that says it matters and a short one that says it still goes on.
 */

/** One pair of windows. */
export interface Burn {
  readonly long: string;
  readonly short: string;
  /** How many times the budget. */
  readonly factor: number;
  readonly severity: 'page' | 'ticket';
  readonly longHours: number;
}

export const burns: readonly Burn[] = [
  { long: '1h', short: '5m', factor: 14.4, severity: 'page', longHours: 1 },
  { long: '6h', short: '30m', factor: 6, severity: 'page', longHours: 6 },
  { long: '1d', short: '2h', factor: 3, severity: 'ticket', longHours: 24 },
  { long: '3d', short: '6h', factor: 1, severity: 'ticket', longHours: 72 },
];

/** Windows that pages look at, and those that tickets look at besides; both from short to long. */
export const windows = { page: ['5m', '30m', '1h', '6h'], ticket: ['2h', '1d', '3d'] } as const;

/**
 * The share of calls above which an alert fires, 0 to below 1. Where that many times the budget would be more than all calls, it
 * lies halfway between the budget and all calls, so that an outage is noticed however little was promised.
 */
export function threshold(objectivePpm: number, factor: number): number {
  const budget = (1_000_000 - objectivePpm) / 1_000_000;
  const share = factor * budget < 1 ? factor * budget : (1 + budget) / 2;
  return Number(share.toPrecision(9));
}

/** How much of what may fail in 30 days is gone when the alert fires after its long window: `2 % of a month’s budget in 1h`. */
export function spent(objectivePpm: number, { factor, long, longHours }: Burn): string {
  const budget = (1_000_000 - objectivePpm) / 1_000_000;
  if (budget === 0) return 'not one call may break it';
  const share = ((threshold(objectivePpm, factor) / budget) * longHours) / (30 * 24);
  return `${Number((share * 100).toPrecision(2))} % of a month’s budget in ${long}`;
}

/** Parts per million as people write them: `99.9 %`. */
export const percent = (ppm: number): string => `${Number((ppm / 10_000).toPrecision(7))} %`;
