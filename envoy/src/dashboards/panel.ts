/** Grafana's panels as data (https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/), laid out from left to right. */

/** What Grafana calls a unit. */
export type Unit = 'none' | 'reqps' | 'percentunit' | 'ms' | 'd';

/** One query, and what its series are called. */
export interface Query {
  readonly expr: string;
  readonly legend: string;
}

/** A panel without its place. */
export interface Panel {
  readonly kind: 'timeseries' | 'stat';
  readonly title: string;
  readonly description: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** A red line: above it, or below it for `stat`, something is wrong. */
  readonly limit?: number;
  /** Of 24 columns. */
  readonly width: number;
}

/** A heading with panels below it. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const columns = 24;
const heights = { timeseries: 8, stat: 4 } as const;
/** The variable by which a dashboard's reader chooses among Prometheus servers. */
const datasource = { type: 'prometheus', uid: '$datasource' } as const;

/** Rows as Grafana wants them: one list of panels, each with a number and its place. */
export function layOut(rows: readonly Row[]): object[] {
  const placed: object[] = [];
  let y = 0;
  for (const { title, panels } of rows) {
    const at = { h: 1, w: columns, x: 0, y };
    placed.push({ id: placed.length + 1, type: 'row', title, collapsed: false, gridPos: at, panels: [] });
    y += 1;
    let x = 0;
    let lineHeight = 0;
    for (const panel of panels) {
      if (x + panel.width > columns) {
        x = 0;
        y += lineHeight;
        lineHeight = 0;
      }
      const h = heights[panel.kind];
      placed.push(panelJson(panel, placed.length + 1, { h, w: panel.width, x, y }));
      x += panel.width;
      lineHeight = Math.max(lineHeight, h);
    }
    y += lineHeight;
  }
  return placed;
}

function panelJson(panel: Panel, id: number, gridPos: object): object {
  const { kind, title, description, unit, queries, limit } = panel;
  return {
    id,
    type: kind,
    title,
    description,
    datasource,
    gridPos,
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        ...(limit === undefined ? {} : { thresholds: thresholds(kind, limit) }),
        ...(kind === 'stat' ? {} : { custom: { showPoints: 'never', thresholdsStyle: { mode: lineMode(limit) } } }),
      },
      overrides: [],
    },
    options:
      kind === 'stat'
        ? { colorMode: 'value', reduceOptions: { calcs: ['lastNotNull'] } }
        : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      datasource,
      expr,
      legendFormat: legend,
    })),
  };
}

const lineMode = (limit: number | undefined): string => (limit === undefined ? 'off' : 'line');

function thresholds(kind: Panel['kind'], limit: number): object {
  const [below, above] = kind === 'stat' ? ['red', 'green'] : ['green', 'red'];
  return {
    mode: 'absolute',
    steps: [
      { color: below, value: null },
      { color: above, value: limit },
    ],
  };
}
