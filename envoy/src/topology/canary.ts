/**
 * Reads `canaries`: second versions of workloads, and who gets to them.
 *
 * ```yaml
 * canaries:
 *   shelf:
 *     # Where the second version's replicas are, all of them others than the first version's.
 *     reached_at: ["shelf-next:15006"]
 *     # Of the calls to the workload, how many go there: 0 to 100, in steps of 0.01.
 *     percent: 5
 *     # Calls that bear this header go there whatever `percent` says. May be left out when `percent` is above 0.
 *     header: {name: x-canary, value: shelf-next}
 * ```
 *
 * The edge and every sidecar of a caller choose for each call, before its first try: retries stay with the version that was chosen.
 * Both versions have the same SPIFFE id, policy and limits. While no replica of the second version is healthy, its calls go to
 * the first one.
 *
 * A header steers where it arrives. The edge lets it pass to the services, which have to send it along with their own calls
 * where it is meant to steer those too. Anyone outside may send it: a value that cannot be guessed keeps a version to those who
 * know it, but is no substitute for a scope.
 */
import { edgeName } from '../blocks/names.ts';
import { isStrangersHeader, strangersPrefixes } from '../blocks/strangers.ts';
import { formatAddress, namedAddress, readAddress } from './address.ts';
import type { Section } from './section.ts';
import type { Canary, Place, Topology } from './topology.ts';

const headerName = /^x-[a-z0-9]+(?:-[a-z0-9]+)*$/;
/** Small enough to compare at every call, and free of what needs quoting anywhere on its way. */
const headerValue = /^[A-Za-z0-9._~-]{1,64}$/;
/** Headers of the protocols themselves that begin with `x-`. */
const taken = ['x-grpc-web', 'x-user-agent'];

/** The canaries of `section` by workload. Each workload that is named is added to `mentioned`. */
export function readCanaries(
  section: Section,
  placeOf: (workload: string) => Place,
  mentioned: Topology['mentioned'][number][],
): ReadonlyMap<string, Canary> {
  const canaries = section.keys().map((workload) => {
    const entry = section.section(workload);
    if (workload === edgeName) {
      section.problem(undefined, 'the edge has no second version: nobody calls it', `Remove ${edgeName}`);
    } else {
      mentioned.push({ workload, at: section.positionOf(workload) });
    }
    const canary = readCanary(entry, workload, placeOf(workload));
    entry.end();
    return [workload, canary] as const;
  });
  return new Map(canaries);
}

function readCanary(section: Section, workload: string, first: Place): Canary {
  const percent = section.number('percent', 0, 100);
  const header = section.has('header') ? readHeader(section.section('header')) : undefined;
  const reachedAt = section
    .texts('reached_at')
    .map((text) => namedAddress(readAddress(section, 'reached_at', text), workload));
  if (Math.abs(percent * 100 - Math.round(percent * 100)) > 1e-6)
    section.problem(undefined, `percent ${percent} is finer than a hundredth`, 'Write a multiple of 0.01');
  if (percent === 0 && !header)
    section.problem(undefined, `the second version of ${workload} gets no call`, 'Set a percent above 0, or a header');
  const seen = new Set(first.reachedAt.map(formatAddress));
  for (const address of reachedAt.map(formatAddress)) {
    if (seen.has(address)) {
      const message = `${address} of reached_at is an address of ${workload} already`;
      section.problem(undefined, message, 'Name other replicas, each once');
    }
    seen.add(address);
  }
  return { reachedAt, percent, header };
}

function readHeader(section: Section): Canary['header'] {
  const name = section.text('name');
  const value = section.text('value');
  section.end();
  if (name !== '' && !headerName.test(name)) {
    section.problem(undefined, `"${name}" cannot steer calls`, 'Write lower case that begins with x-, as in x-canary');
  } else if (isStrangersHeader(name)) {
    const mend = `Choose a name other than those of x-forwarded and ${strangersPrefixes.join('*, ')}*`;
    section.problem(undefined, `the edge removes ${name}, or sets it itself`, mend);
  } else if (taken.includes(name)) {
    section.problem(undefined, `${name} has a meaning already`, 'Choose another name, as in x-canary');
  }
  if (value !== '' && !headerValue.test(value))
    section.problem(
      undefined,
      `"${value}" is no value of a header that steers`,
      'Write 1 to 64 of A-Z a-z 0-9 . _ ~ -',
    );
  return { name, value };
}
