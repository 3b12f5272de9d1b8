/** The way of one call, hop by hop: what holds at each, where the contract says it, and the fragment that Envoy got. */
import { edgeName, spiffeId } from '../blocks/names.ts';
import type { Mesh } from '../bootstrap/mesh.ts';
import type { Method } from '../contract/contract.ts';
import type { DeclaredContract } from '../contract/declared.ts';
import type { OptionPath, Position } from '../contract/position.ts';
import type { Address, Tightening } from '../topology/topology.ts';
import type { Bootstraps } from './bootstraps.ts';
import type { Declaration, Fact, Hop } from './explanation.ts';
import type { Fragment } from './fragments.ts';
import { alternatives, deadlineInWords, rateInWords, triesInWords } from './words.ts';

/** What explanations are made from. */
export interface Question {
  readonly mesh: Mesh;
  readonly declared: DeclaredContract;
  readonly bootstraps: Bootstraps;
  readonly caller: string;
  /** As the topology keeps it. */
  readonly method: Method;
  readonly declaredBy: readonly Declaration[];
}

/** All hops of an allowed call. */
export function hopsOf(question: Question): Hop[] {
  const first = question.caller === edgeName ? fromOutside(question) : toOwnSidecar(question);
  return [first, toCalleesSidecar(question), toService(question)];
}

function fromOutside(question: Question): Hop {
  const { mesh, bootstraps, method } = question;
  const { edge } = mesh.topology;
  const { fullName: rpc, exposure, scopes } = method;
  const exposed = optionAt(question, ['exposure']);
  const token =
    exposure === 'AUTHENTICATED'
      ? `required: of ${edge.token.issuer}, for ${edge.token.audience}, not expired, with the scope ${alternatives(scopes)}`
      : 'none needed; one that comes has to be valid';
  const limit = method.rateLimit;
  return {
    from: 'client',
    to: edgeName,
    facts: [
      fact('listens', addressInWords(edge.listen), [], [bootstraps.listener(edgeName, 'edge')]),
      fact('route', `exactly /${rpc}`, [exposed], [bootstraps.route(edgeName, 'edge', edgeName, rpc)]),
      fact(
        'token',
        token,
        exposure === 'AUTHENTICATED' ? [optionAt(question, ['scopes'])] : [exposed],
        exposure === 'AUTHENTICATED'
          ? [bootstraps.scopesOfRoute(rpc), bootstraps.tokenIssuer()]
          : [bootstraps.tokenOfRoute(rpc)],
      ),
      limit
        ? fact(
            'rate',
            `${rateInWords(limit)}, for each token subject or client address`,
            [limitAt(question)],
            present(bootstraps.rateLimit(edgeName, 'edge', rpc)),
          )
        : fact('rate', 'not limited', [], []),
      ...timeAndTries(question, edgeName, 'edge', edgeName),
    ],
  };
}

function toOwnSidecar(question: Question): Hop {
  const { mesh, bootstraps, caller, method } = question;
  const { outbound } = mesh.topology.placeOf(caller);
  const sources = question.declaredBy.map(({ at }) => at);
  return {
    from: caller,
    to: `sidecar of ${caller}, outbound`,
    facts: [
      fact('listens', addressInWords(outbound), [], [bootstraps.listener(caller, 'outbound')]),
      fact('route', `authority ${method.workload}, exactly /${method.fullName}`, sources, [
        bootstraps.route(caller, 'outbound', method.workload, method.fullName),
      ]),
      ...timeAndTries(question, caller, 'outbound', method.workload),
    ],
  };
}

function timeAndTries(question: Question, workload: string, door: 'outbound' | 'edge', host: string): Fact[] {
  const { bootstraps, method } = question;
  const piece = (name: string): Fragment => bootstraps.route(workload, door, host, method.fullName, 'route', name);
  return [
    fact('deadline', deadlineInWords(method), [deadlineAt(question)], [piece('max_stream_duration')]),
    fact('tries', triesInWords(method), method.retry ? [optionAt(question, ['retry'])] : [], [piece('retry_policy')]),
  ];
}

function toCalleesSidecar(question: Question): Hop {
  const { mesh, bootstraps, caller, method, declaredBy } = question;
  const { trustDomain } = mesh.topology;
  const callee = method.workload;
  const shows = spiffeId(trustDomain, caller);
  const expects = spiffeId(trustDomain, callee);
  const sources = caller === edgeName ? [optionAt(question, ['exposure'])] : declaredBy.map(({ at }) => at);
  const limited = caller !== edgeName && method.rateLimit;
  return {
    from: caller === edgeName ? edgeName : `sidecar of ${caller}`,
    to: `sidecar of ${callee}, inbound`,
    facts: [
      fact('identity', `mutual TLS 1.3: shows ${shows}, expects ${expects}`, sources, [
        bootstraps.peerOfCluster(caller, callee),
        bootstraps.peersOfListener(callee),
      ]),
      fact('allowed', `${shows} is on the list of this RPC`, sources, [bootstraps.allowList(callee, method.fullName)]),
      limited
        ? fact(
            'rate',
            `${rateInWords(limited)}, for each calling workload`,
            [limitAt(question)],
            present(bootstraps.rateLimit(callee, 'inbound', method.fullName)),
          )
        : fact(
            'rate',
            caller === edgeName ? 'not limited here: the edge has limited each client' : 'not limited',
            [],
            [],
          ),
      fact(
        'deadline',
        'the same again, less what has passed',
        [deadlineAt(question)],
        [bootstraps.route(callee, 'inbound', 'inbound', method.fullName, 'route', 'max_stream_duration')],
      ),
    ],
  };
}

function toService(question: Question): Hop {
  const { mesh, bootstraps, method } = question;
  const workload = mesh.contract.workloads.get(method.workload);
  const most = workload?.maxConcurrentRequests ?? 0;
  const { app } = mesh.topology.placeOf(method.workload);
  return {
    from: `sidecar of ${method.workload}`,
    to: method.workload,
    facts: [
      fact('listens', addressInWords(app), [], [bootstraps.cluster(method.workload, 'app', 'load_assignment')]),
      fact(
        'at once',
        `${most} requests per replica; more are refused with RESOURCE_EXHAUSTED`,
        concurrencyAt(question),
        [bootstraps.concurrency(method.workload)],
      ),
      fact(
        'identity',
        `the service reads ${spiffeId(mesh.topology.trustDomain, question.caller)} in x-forwarded-client-cert`,
        [],
        [bootstraps.manager(method.workload, 'inbound', 'forward_client_cert_details')],
      ),
    ],
  };
}

const fact = (name: string, text: string, sources: readonly Position[], fragments: readonly Fragment[]): Fact => ({
  name,
  text,
  sources,
  fragments,
});

const present = (fragment: Fragment | undefined): Fragment[] => (fragment ? [fragment] : []);

/** Where a field of the RPC's policy stands; the RPC itself for what is not there. */
export function optionAt({ declared, method }: Question, path: OptionPath): Position {
  return declared.methods.get(method.fullName)?.locate(path) ?? method.position;
}

/** The topology's line where it tightens, else the contract's. */
function deadlineAt(question: Question): Position {
  const option = question.method.limits.kind === 'unary' ? 'deadline' : 'stream';
  return tightened(question, ({ deadlineMs }) => deadlineMs) ?? optionAt(question, [option]);
}

const limitAt = (question: Question): Position =>
  tightened(question, ({ requestsPerSecond }) => requestsPerSecond) ?? optionAt(question, ['rateLimit']);

function concurrencyAt(question: Question): Position[] {
  const { declared, mesh, method } = question;
  const entry = mesh.topology.tighten.find(
    ({ subject, maxConcurrentRequests }) => subject === method.workload && maxConcurrentRequests !== undefined,
  );
  if (entry) return [entry.at];
  return declared.services
    .filter(({ policy }) => policy?.workload === method.workload && policy.maxConcurrentRequests > 0)
    .map((service) => service.locate(['maxConcurrentRequests']));
}

function tightened({ mesh, method }: Question, of: (entry: Tightening) => number | undefined): Position | undefined {
  return mesh.topology.tighten.find((entry) => entry.subject === method.fullName && of(entry) !== undefined)?.at;
}

const addressInWords = (address: Address): string =>
  address.kind === 'unix' ? `Unix socket ${address.path}` : `${address.host}:${address.port}`;
