/** What Grafana is given: one dashboard for each workload, with all of its RPCs, without overlaps, the same again. */
import { beforeAll, expect, test } from 'vitest';
import { compileProtos, testFolder } from './support/compile.ts';

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: {
    readonly defaults: { readonly thresholds?: { readonly steps: readonly { value: number | null }[] } };
  };
}

const generate = () => compileProtos(`${testFolder}protos`, { dashboards: 'boards' });
let files: ReturnType<typeof generate>;
beforeAll(() => {
  files = generate();
}, 60_000);

const panelsOf = (workload: string): Panel[] =>
  JSON.parse(files.find(({ name }) => name === `boards/${workload}.json`)?.content ?? '{}').panels;
const titled = (workload: string, title: string): Panel | undefined =>
  panelsOf(workload).find((panel) => panel.title === title);

test('one for each workload, the same bytes again', () => {
  expect(files.map(({ name }) => name)).toEqual(['boards/desk.json', 'boards/shelf.json']);
  expect(generate()).toEqual(files);
  expect(files.map(({ content }) => JSON.parse(content).uid)).toEqual(['weft-desk', 'weft-shelf']);
});

test('a row for each service, and panels for each RPC, with or without an objective', () => {
  expect(
    panelsOf('shelf')
      .filter(({ type }) => type === 'row')
      .map(({ title }) => title.replace(/:\d+/, '')),
  ).toEqual(['shelf', 'Budgets', 'acme.shelf.v1.ShelfService (protos/acme/shelf/v1/shelf_service.proto)']);
  for (const rpc of ['GetBook', 'LendBook', 'CountBooks', 'BurnBook', 'BrowseBooks', 'WatchBooks']) {
    expect(titled('shelf', `${rpc}: calls`)?.description).toMatch(/declared in protos\/.+:\d+\.$/);
    expect(titled('shelf', `${rpc}: failed`)).toBeDefined();
    expect(titled('shelf', `${rpc}: latency`) !== undefined).toBe(rpc !== 'WatchBooks');
  }
  expect(titled('desk', 'OrderBook: failed')?.description).toContain('promises nothing');
});

test('the line of a panel is what was promised', () => {
  const limitOf = (title: string) => titled('shelf', title)?.fieldConfig?.defaults.thresholds?.steps[1]?.value;
  expect(limitOf('GetBook: failed')).toBe(0.001);
  expect(limitOf('GetBook: latency')).toBe(250);
  expect(limitOf('CountBooks: failed')).toBeUndefined();
});

test('panels have numbers of their own, and none lies on another', () => {
  for (const workload of ['desk', 'shelf']) {
    const panels = panelsOf(workload);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
  }
});
