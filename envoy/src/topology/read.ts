/** Reads a topology's YAML. All problems are collected; a topology with problems is not to be used. */
import { LineCounter, parseDocument } from 'yaml';
import { edgeName } from '../blocks/names.ts';
import type { Problem } from '../contract/problem.ts';
import { namedAddress, readAddress } from './address.ts';
import { readCanaries } from './canary.ts';
import { readKeySet } from './key-set.ts';
import { Section, type Source } from './section.ts';
import type { Address, Edge, Place, Tightening, Topology } from './topology.ts';

/** A file of the topologies' folder. `name` is its name without `.yaml`, `file` is how messages call it. */
export interface TopologyFile {
  readonly name: string;
  readonly file: string;
  readonly text: string;
}

/** Reads one file; what is wrong with it is added to `problems`. */
export function readTopology({ name, file, text }: TopologyFile, problems: Problem[]): Topology {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const source: Source = { file, lines, problems };
  for (const error of document.errors) {
    const at = { file, line: error.linePos?.[0].line ?? 1 };
    problems.push({ at, rule: 'topology', message: error.message.split('\n', 1)[0] ?? '', mend: 'Write valid YAML' });
  }
  const root = new Section(document.contents, name, source);
  const trustDomain = root.text('trust_domain');
  if (trustDomain !== '' && !trustDomainPattern.test(trustDomain)) {
    root.problem(
      root.nodeOf('trust_domain'),
      `"${trustDomain}" is no trust domain`,
      'Use lower-case letters, digits and any of . _ -',
    );
  }
  const mentioned: Mention[] = [];
  const placeOf = readPlaces(root, mentioned);
  const canaries: Topology['canaries'] = root.has('canaries')
    ? readCanaries(root.section('canaries'), placeOf, mentioned)
    : new Map();
  const edge = readEdge(root.section('edge'), placeOf(edgeName).admin);
  if (edge.reflection) mentioned.push(edge.reflection);
  const tracing = root.section('tracing');
  const collector = readAddress(tracing, 'collector', tracing.text('collector'));
  const samplePercent = tracing.number('sample_percent', 0, 100);
  tracing.end();
  const limits = root.section('limits');
  const maxConnections = limits.whole('max_connections', 1, 1_000_000);
  const maxHeapMb = limits.whole('max_heap_mb', 64, 65_536);
  limits.end();
  const tighten = root.has('tighten') ? readTightenings(root.section('tighten')) : [];
  root.end();
  return {
    name,
    file,
    trustDomain,
    edge,
    tracing: { collector, samplePercent },
    limits: { maxConnections, maxHeapMb },
    tighten,
    placeOf,
    canaries,
    mentioned,
  };
}

/** https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md#21-trust-domain */
const trustDomainPattern = /^[a-z0-9._-]{1,255}$/;

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, 'u') instanceof RegExp;
  } catch {
    return false;
  }
}

type Mention = Topology['mentioned'][number];

/** What `workload` says of all, with what `workloads.<name>` says of one put over it. */
function readPlaces(root: Section, mentioned: Mention[]): (workload: string) => Place {
  const common = root.section('workload');
  const template = readPlace(common, common);
  common.end();
  const own = new Map<string, Place>();
  if (root.has('workloads')) {
    const workloads = root.section('workloads');
    for (const workload of workloads.keys()) {
      const section = workloads.section(workload);
      mentioned.push({ workload, at: workloads.positionOf(workload) });
      own.set(workload, readPlace(section, common));
      section.end();
    }
  }
  return (workload) => named(own.get(workload) ?? template, workload);
}

/** Each value from `own` when it is there, else from `common`. */
function readPlace(own: Section, common: Section): Place {
  const from = (key: string) => (own.has(key) ? own : common);
  const address = (key: string) => readAddress(from(key), key, from(key).text(key));
  return {
    inbound: address('inbound'),
    reachedAt: from('reached_at')
      .texts('reached_at')
      .map((text) => readAddress(from('reached_at'), 'reached_at', text)),
    outbound: address('outbound'),
    app: address('app'),
    admin: address('admin'),
    certificates: from('certificates').text('certificates'),
    accessLog: from('access_log').text('access_log'),
  };
}

function readEdge(section: Section, admin: Address): Edge {
  const listen = readAddress(section, 'listen', section.text('listen'));
  const trustedProxies = section.whole('trusted_proxies', 0, 10);
  const reflection = section.has('reflection')
    ? { workload: section.text('reflection'), at: section.positionOf('reflection') }
    : undefined;
  const corsOrigins = section.texts('cors_origins');
  for (const origin of corsOrigins.filter((text) => !isPattern(text))) {
    const mend = 'Write one that matches the whole Origin header';
    section.problem(section.nodeOf('cors_origins'), `"${origin}" of cors_origins is no regular expression`, mend);
  }
  const token = section.section('token');
  const edge = {
    listen,
    trustedProxies,
    reflection,
    corsOrigins,
    token: { issuer: token.text('issuer'), audience: token.text('audience'), keySet: readKeySet(token, admin) },
  };
  token.end();
  section.end();
  return edge;
}

function readTightenings(section: Section): Tightening[] {
  return section.keys().map((subject) => {
    const entry = section.section(subject);
    const tightening = {
      at: section.positionOf(subject),
      subject,
      deadlineMs: entry.optionalWhole('deadline_ms', 1, 300_000),
      requestsPerSecond: entry.optionalWhole('requests_per_second', 1, 1_000_000),
      maxConcurrentRequests: entry.optionalWhole('max_concurrent_requests', 1, 10_000),
    };
    entry.end();
    return tightening;
  });
}

function named(place: Place, workload: string): Place {
  const name = (text: string): string => text.replaceAll('{workload}', workload);
  const address = (a: Address): Address => namedAddress(a, workload);
  return {
    inbound: address(place.inbound),
    reachedAt: place.reachedAt.map(address),
    outbound: address(place.outbound),
    app: address(place.app),
    admin: address(place.admin),
    certificates: name(place.certificates),
    accessLog: name(place.accessLog),
  };
}
