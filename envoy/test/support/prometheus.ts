/** What Envoys export for Prometheus, read back; and what expressions of rules and dashboards select of it. */

/** One number with its name and labels. */
export interface Sample {
  readonly metric: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric that an expression names, and what it asks of the labels. */
export interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
}

interface Matcher {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

/** The lines of `/stats/prometheus`, as scraped from an Envoy with these target labels. */
export function readSamples(text: string, target: Readonly<Record<string, string>>): Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, metric, labels = '', value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (metric === undefined) return [];
    const own = Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, text]) => [name, text]));
    return [{ metric, labels: { ...target, ...own }, value: Number(value) }];
  });
}

/** All selectors of Envoy's own metrics in an expression. */
export function selectorsOf(expression: string): Selector[] {
  return [...expression.matchAll(/\b(envoy_\w+)(?:\{([^}]*)\})?/g)].map(([, metric = '', labels = '']) => ({
    metric,
    matchers: [...labels.matchAll(/(\w+)(=~|!~|!=|=)"([^"]*)"/g)].map(([, label = '', operator = '', value = '']) => {
      return { label, operator, value };
    }),
  }));
}

/** Whether a sample is what a selector selects. */
export const isSelected = ({ metric, labels }: Sample, selector: Selector): boolean =>
  metric === selector.metric && selector.matchers.every((matcher) => fits(labels[matcher.label] ?? '', matcher));

function fits(actual: string, { operator, value }: Matcher): boolean {
  const equal = operator.endsWith('~') ? new RegExp(`^(?:${value})$`).test(actual) : actual === value;
  return operator.startsWith('!') ? !equal : equal;
}

/** The sum of the samples of a metric whose labels fit. */
export const total = (samples: readonly Sample[], metric: string, labels: Readonly<Record<string, string>>): number =>
  samples
    .filter((sample) => sample.metric === metric)
    .filter((sample) => Object.entries(labels).every(([name, value]) => sample.labels[name] === value))
    .reduce((sum, { value }) => sum + value, 0);
