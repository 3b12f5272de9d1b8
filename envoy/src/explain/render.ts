/** An explanation as text for a terminal. */

import { edgeName } from '../blocks/names.ts';
import { type Paint, wrapped } from '../cli/layout.ts';
import { formatPosition } from '../contract/position.ts';
import type { Verdict } from './evidence.ts';
import type { Declaration, Explanation, Fact, Hop, Refusal, Step } from './explanation.ts';

export interface Style {
  readonly paint: Paint;
  /** Whether the generated fragments themselves are printed. */
  readonly fragments: boolean;
}

const margin = ' '.repeat(12);

export function renderExplanation(explanation: Explanation, style: Style): string {
  const { caller, rpc, topology, allowed, at, refusal, hops, declaredBy, waysFromTheEdge } = explanation;
  const { paint } = style;
  const verdict = allowed ? paint.good(`${caller} may call ${rpc}`) : paint.bad(`${caller} may not call ${rpc}`);
  return [
    verdict,
    paint.faint(`${formatPosition(at)}, in the topology ${topology}`),
    ...(refusal ? refusalLines(refusal, style) : []),
    ...(declaredBy.length > 0 ? ['', ...declaredBy.flatMap((entry) => declarationLines(entry, paint))] : []),
    ...hops.flatMap((hop, index) => hopLines(hop, index + 1, style)),
    ...waysLines(explanation, waysFromTheEdge, paint),
    '',
  ].join('\n');
}

function declarationLines({ rpc, at, maxTimes, parallel, background, onFailure }: Declaration, paint: Paint): string[] {
  const often = maxTimes === 1 ? 'once' : `up to ${maxTimes} times${parallel ? ', in parallel' : ', in sequence'}`;
  const without = onFailure === 'DEGRADE' ? `${often}; it answers without it when it fails` : often;
  const when = background ? `${often}, in the background` : without;
  return [...wrapped('declared    ', `by ${rpc}, ${when}`), paint.faint(`${margin}${formatPosition(at)}`)];
}

function hopLines({ from, to, facts }: Hop, number: number, style: Style): string[] {
  return ['', style.paint.title(`${number}. ${from} -> ${to}`), ...facts.flatMap((fact) => factLines(fact, style))];
}

/** A fact, then where it is written, then where it was written to. */
function factLines({ name, text, sources, fragments }: Fact, { paint, fragments: shown }: Style): string[] {
  return [
    ...wrapped(`  ${name.padEnd(10)}`, text),
    ...[...sources, ...(shown ? [] : fragments)].map((at) => paint.faint(`${margin}${formatPosition(at)}`)),
    ...(shown ? fragments : []).flatMap((fragment) => [
      paint.faint(`${margin}${formatPosition(fragment)}`),
      ...fragment.text.split('\n').map((line) => `${margin}  ${line}`),
    ]),
  ];
}

/** Most places that a refusal lists; whoever has more RPCs knows which one it was. */
const mostPlaces = 8;

function refusalLines({ why, mend, places, seen }: Refusal, style: Style): string[] {
  const more = places.length - mostPlaces;
  return [
    '',
    ...wrapped('why         ', `${why}.`),
    ...wrapped('mend        ', `${mend}${places.length > 0 ? ':' : '.'}`),
    ...places
      .slice(0, mostPlaces)
      .map(({ rpc, at }) => `${margin}${formatPosition(at)} ${style.paint.faint(`(${rpc.split('/')[1]})`)}`),
    ...(more > 0 ? [`${margin}and ${more} more`] : []),
    ...(seen.length > 0
      ? ['', style.paint.title('What a caller sees who tries'), ...seen.flatMap((f) => factLines(f, style))]
      : []),
  ];
}

function waysLines({ caller, rpc }: Explanation, ways: readonly (readonly Step[])[], paint: Paint): string[] {
  if (ways.length === 0) return [];
  const title = caller === edgeName ? 'From outside it is reached through' : 'Calls from outside come here through';
  return [
    '',
    paint.title(title),
    ...ways.flatMap((way) => {
      const steps = way.filter((step) => step.rpc !== rpc);
      return steps.flatMap((step, index) => [
        `${'  '.repeat(index + 1)}${index === 0 ? '' : '-> '}${step.rpc}`,
        paint.faint(`${'  '.repeat(index + 1)}    calls the next at ${formatPosition(step.at)}`),
      ]);
    }),
  ];
}

const notDenied = 'not denied';

/** One judged line of an access log. */
export function renderVerdict({ denied, rule, why, mend, sources, fragments }: Verdict, style: Style): string {
  const { paint } = style;
  return [
    denied ? paint.bad(`denied: ${rule}`) : paint.good(rule === notDenied ? rule : `${notDenied}: ${rule}`),
    ...factLines({ name: 'why', text: `${why}.`, sources, fragments }, style),
    ...wrapped('  mend      ', `${mend}.`),
    '',
  ].join('\n');
}
