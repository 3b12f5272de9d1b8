/** What refused and failed requests look like in an access log, in the order in which they are to be recognised. */
import { appCluster, edgeName } from '../blocks/names.ts';
import { formatMs } from '../contract/duration.ts';
import type { Position } from '../contract/position.ts';
import { type AccessLine, hasFlag, readable, timeoutMs } from './access-line.ts';
import type { Door } from './bootstraps.ts';
import { type DenialRule, type Evidence, fragmentsOf, placeOf } from './evidence.ts';
import { allowListRefused } from './peer.ts';
import { tokenRefused } from './token.ts';
import { alternatives, rateInWords } from './words.ts';

const details = (pattern: RegExp) => (line: AccessLine) => pattern.test(line.details ?? '');
const flag = (name: string) => (line: AccessLine) => hasFlag(line, name);
const rpcOf = ({ line }: Evidence): string => line.route ?? 'the RPC';
const calleeOf = ({ line, method }: Evidence): string =>
  line.upstream === appCluster || line.upstream === undefined ? (method?.workload ?? 'the service') : line.upstream;
const doorOf = ({ line: { listener } }: Evidence): Door =>
  listener === edgeName || listener === 'inbound' ? (listener as Door) : 'outbound';

/** A piece of the route that the call took, where whose route it was is known. */
const routePiece = (evidence: Evidence, ...below: string[]) => {
  const { bootstraps, workload, method } = evidence;
  const door = doorOf(evidence);
  if (workload === undefined || !method) return [];
  const host = door === 'outbound' ? method.workload : door;
  return fragmentsOf(() => bootstraps.route(workload, door, host, method.fullName, 'route', ...below));
};

export const requestRules: readonly DenialRule[] = [
  { rule: 'token', fits: details(/^jwt_authn/), judge: tokenRefused },
  {
    rule: 'scope',
    fits: (line) => details(/^rbac_access_denied/)(line) && line.listener === edgeName,
    judge: (evidence) => {
      const { bootstraps, method } = evidence;
      return {
        why: `the token is valid, but holds no scope that ${rpcOf(evidence)} asks for`,
        mend: `Get a token with the scope ${alternatives(method?.scopes ?? [])}; or, if others should do, add them to \`scopes\``,
        sources: placeOf(evidence, ['scopes']),
        fragments: method ? fragmentsOf(() => bootstraps.scopesOfRoute(method.fullName)) : [],
      };
    },
  },
  { rule: 'allow-list', fits: details(/^rbac_access_denied/), judge: allowListRefused },
  {
    rule: 'rate limit',
    fits: flag('RL'),
    judge: (evidence) => {
      const { line, bootstraps, method, workload } = evidence;
      const limit = method?.rateLimit;
      const whose = line.listener === edgeName ? 'one token subject or client address' : (line.peer ?? 'one workload');
      return {
        why: `${whose} called ${rpcOf(evidence)} more often than ${limit ? rateInWords(limit) : 'its limit'}`,
        mend: 'Call less often, or after the delay that the answer told; or raise `rate_limit`',
        sources: placeOf(evidence, ['rateLimit']),
        fragments:
          method && workload !== undefined
            ? fragmentsOf(() => bootstraps.rateLimit(workload, doorOf(evidence), method.fullName))
            : [],
      };
    },
  },
  {
    rule: 'concurrency limit',
    fits: (line) => flag('UO')(line) && line.upstream === appCluster,
    judge: (evidence) => {
      const { mesh, bootstraps, method, workload } = evidence;
      const most = mesh.contract.workloads.get(workload ?? '')?.maxConcurrentRequests;
      return {
        why: `${calleeOf(evidence)} was already working on the ${most ?? ''} requests that one replica takes at once`,
        mend: 'Add replicas, make the RPC faster, or raise `max_concurrent_requests` if the process can bear it',
        sources: concurrencyOf(evidence),
        fragments: method && workload !== undefined ? fragmentsOf(() => bootstraps.concurrency(workload)) : [],
      };
    },
  },
  {
    rule: 'retry budget',
    fits: (line) => flag('UO')(line) && !details(/overflow/)(line),
    judge: (evidence) => {
      const { line, bootstraps, workload } = evidence;
      const callee = calleeOf(evidence);
      return {
        why: `try ${line.attempts ?? 1} failed, and so many other calls to ${callee} were being repeated that this one was not`,
        mend: `Mend ${callee}: its log has the failure, by the trace ${line.trace ?? '(none)'}; the budget is what keeps retries from burying it`,
        sources: placeOf(evidence, ['retry']),
        fragments:
          workload === undefined ? [] : fragmentsOf(() => bootstraps.cluster(workload, callee, 'circuit_breakers')),
      };
    },
  },
  {
    rule: 'connections to the callee',
    fits: flag('UO'),
    judge: (evidence) => {
      const { bootstraps, workload } = evidence;
      return {
        why: `more calls to ${calleeOf(evidence)} were under way than one Envoy may have`,
        mend: 'Look at why they do not end; the limit is there to protect this Envoy',
        fragments:
          workload === undefined
            ? []
            : fragmentsOf(() => bootstraps.cluster(workload, calleeOf(evidence), 'circuit_breakers')),
      };
    },
  },
  {
    rule: 'idle timeout',
    fits: (line) => flag('SI')(line) || details(/idle_timeout/)(line),
    judge: (evidence) => ({
      why: `the stream was silent for longer than ${limitMs(evidence, 'idleTimeoutMs')}`,
      mend: 'Send bookmarks more often than that, or lengthen `stream.idle_timeout`',
      sources: placeOf(evidence, ['stream', 'idleTimeout']),
      fragments: routePiece(evidence, 'idle_timeout'),
    }),
  },
  {
    rule: 'deadline',
    fits: details(/max_duration_timeout|response_timeout/),
    judge: (evidence) => {
      const { line, method } = evidence;
      const inForce = timeoutMs(line.timeout);
      const promised = method?.limits.kind === 'unary' ? method.limits.deadlineMs : method?.limits.maxDurationMs;
      const shorter = inForce !== undefined && promised !== undefined && inForce < promised;
      const length = inForce ?? promised;
      const whose = shorter ? "the caller's own deadline" : 'the deadline of the contract';
      return {
        why: `no answer within ${length === undefined ? 'the deadline' : formatMs(length)}, which is ${whose}`,
        mend: shorter
          ? `Have the caller wait longer, or find out by the trace ${line.trace ?? '(none)'} where the time went`
          : `Find out by the trace ${line.trace ?? '(none)'} where the time went; lengthen the deadline only if it has to be so`,
        sources: placeOf(evidence, [method?.limits.kind === 'stream' ? 'stream' : 'deadline']),
        fragments: routePiece(evidence, 'max_stream_duration'),
      };
    },
  },
  {
    rule: 'time of one try',
    fits: flag('UT'),
    judge: (evidence) => ({
      why: `none of ${evidence.line.attempts ?? 'the'} tries was answered within its per_try_timeout`,
      mend: 'Make the RPC faster, or give each try longer',
      sources: placeOf(evidence, ['retry']),
      fragments: routePiece(evidence, 'retry_policy'),
    }),
  },
  {
    rule: 'header limits',
    fits: details(/header_list_size|too_many_headers|headers?_too_(large|big)|underscore/),
    judge: ({ line, bootstraps, workload }) => ({
      why: headerFault(line.details ?? ''),
      mend: 'Send fewer or smaller headers, with hyphens: 32 kB and 100 headers are the most',
      fragments:
        workload === undefined
          ? []
          : fragmentsOf(() => bootstraps.manager(workload, doorOfListener(line), 'common_http_protocol_options')),
    }),
  },
  {
    rule: 'malformed request',
    fits: details(/^http[12]\.(?!remote_re)|path_normalization|strict_check|missing_(host|path)/),
    judge: ({ line }) => ({
      why: `the request breaks HTTP: ${readable(line.details)}`,
      mend: 'Mend the client; a client that was generated does not send this',
    }),
  },
  {
    rule: 'overload of the Envoy',
    fits: (line) => flag('OM')(line) || details(/overload/)(line),
    judge: ({ mesh, line }) => ({
      why: `this Envoy protects itself: ${readable(line.details)}`,
      mend: `Look at its memory and connections; the topology allows ${mesh.topology.limits.maxConnections} connections and ${mesh.topology.limits.maxHeapMb} MB`,
    }),
  },
  {
    rule: 'not exposed',
    fits: (line) => line.route === 'unknown' && line.listener === edgeName,
    judge: ({ bootstraps }) => ({
      why: 'the edge offers no RPC of this path: it does not exist, or its exposure is INTERNAL',
      mend: 'Compare the path with the reference; `weft explain edge <rpc>` says which of the two it is',
      fragments: fragmentsOf(() => bootstraps.unknownRoute(edgeName, 'edge')),
    }),
  },
  {
    rule: 'undeclared call',
    fits: (line) => line.route === 'unknown' && line.listener === 'outbound',
    judge: ({ bootstraps, workload }) => ({
      why: `${workload ?? 'the workload that wrote this line'} called an RPC that none of its RPCs lists in \`calls\``,
      mend: `Add \`calls: {rpc: "..."}\` to the RPC that needs it; \`weft explain ${workload ?? '<caller>'} <rpc>\` says where`,
      fragments: workload === undefined ? [] : fragmentsOf(() => bootstraps.unknownRoute(workload, 'outbound')),
    }),
  },
  {
    rule: 'unknown RPC',
    fits: (line) => line.route === 'unknown',
    judge: ({ workload }) => ({
      why: `${workload ?? 'this workload'} has no RPC of this path`,
      mend: 'Look for a misspelt path, or a client that is newer than the service',
    }),
  },
  {
    rule: 'no healthy replica',
    fits: flag('UH'),
    judge: (evidence) => {
      const { bootstraps, workload } = evidence;
      const callee = calleeOf(evidence);
      return {
        why: `no replica of ${callee} answers health checks`,
        mend: `Look whether ${callee} and its sidecar run, and what their logs say`,
        fragments:
          workload === undefined ? [] : fragmentsOf(() => bootstraps.cluster(workload, callee, 'health_checks')),
      };
    },
  },
  {
    rule: 'connection',
    fits: flag('UF'),
    judge: (evidence) => {
      const { line, bootstraps, workload } = evidence;
      const callee = calleeOf(evidence);
      const isApp = line.upstream === appCluster;
      return {
        why: `${isApp ? `the process of ${callee}` : callee} could not be reached: ${readable(line.upstream_failure ?? line.details)}`,
        mend: /CERTIFICATE|SAN/.test(line.upstream_failure ?? '')
          ? `Look at the certificate of ${callee}: its dates, its authority and its SPIFFE id`
          : `Look whether ${isApp ? `the process of ${callee}` : `the sidecar of ${callee}`} runs and listens where the topology says`,
        fragments:
          workload === undefined
            ? []
            : fragmentsOf(() => bootstraps.cluster(workload, line.upstream ?? callee, 'load_assignment')),
      };
    },
  },
  {
    rule: 'caller gave up',
    fits: flag('DR'),
    judge: ({ line }) => ({
      denied: false,
      why: `the caller cancelled after ${formatMs(line.duration_ms ?? 0)}; nothing was refused here`,
      mend: "Look at the caller's line of the same trace: its deadline, or that of one try, may have passed",
    }),
  },
  {
    rule: 'connection broke',
    fits: (line) => flag('UC')(line) || flag('UR')(line) || flag('LR')(line) || flag('DC')(line),
    judge: (evidence) => ({
      why: `the call was under way when ${hasFlag(evidence.line, 'DC') ? 'the caller' : calleeOf(evidence)} ended it: ${readable(evidence.line.details)}`,
      mend: `Look at the line of ${calleeOf(evidence)} with the trace ${evidence.line.trace ?? '(none)'}`,
    }),
  },
  {
    rule: 'not denied',
    fits: (line) =>
      line.grpc === 'OK' || (line.grpc === undefined && (line.http ?? 0) >= 200 && (line.http ?? 0) < 400),
    judge: (evidence) => ({
      denied: false,
      why: `${rpcOf(evidence)} was answered with ${evidence.line.grpc ?? `HTTP ${evidence.line.http}`}`,
      mend: 'Look at another line',
    }),
  },
  {
    rule: 'tries used up',
    fits: (line) => flag('URX')(line) && details(/^via_upstream/)(line),
    judge: (evidence) => ({
      why: `${calleeOf(evidence)} answered ${evidence.line.grpc ?? 'an error'} to all ${evidence.line.attempts ?? ''} tries`,
      mend: `Look at its lines with the trace ${evidence.line.trace ?? '(none)'}`,
      sources: placeOf(evidence, ['retry']),
      fragments: routePiece(evidence, 'retry_policy'),
    }),
  },
  {
    rule: 'answered by the service',
    fits: (line) => details(/^via_upstream/)(line) && line.upstream === appCluster,
    judge: (evidence) => ({
      why: `the mesh let it through, and ${calleeOf(evidence)} itself answered ${evidence.line.grpc ?? `HTTP ${evidence.line.http}`}`,
      mend: 'The comment of the RPC lists its errors; the log of the service has the rest',
      sources: sourceOfRpc(evidence),
    }),
  },
  {
    rule: 'answered by the callee',
    fits: details(/^via_upstream/),
    judge: (evidence) => ({
      why: `${calleeOf(evidence)} or its sidecar answered ${evidence.line.grpc ?? `HTTP ${evidence.line.http}`}; this Envoy refused nothing`,
      mend: `Ask with the line of ${calleeOf(evidence)}'s sidecar that has the trace ${evidence.line.trace ?? '(none)'}`,
      sources: sourceOfRpc(evidence),
    }),
  },
  {
    rule: 'unknown',
    fits: () => true,
    judge: ({ line }) => ({
      why: `Envoy says: ${readable(line.details)}, flags ${line.flags ?? '-'}, which this tool does not know`,
      mend: "Look the flag up in Envoy's documentation of access logs",
    }),
  },
];

const sourceOfRpc = ({ method }: Evidence): Position[] => (method ? [method.position] : []);

const doorOfListener = ({ listener }: AccessLine): Door =>
  listener === edgeName || listener === 'inbound' ? (listener as Door) : 'outbound';

function limitMs({ method }: Evidence, limit: 'idleTimeoutMs'): string {
  return method?.limits.kind === 'stream' ? formatMs(method.limits[limit]) : 'its idle timeout';
}

function concurrencyOf({ declared, method }: Evidence): Position[] {
  return declared.services
    .filter(({ policy }) => policy?.workload === method?.workload && (policy?.maxConcurrentRequests ?? 0) > 0)
    .map((service) => service.locate(['maxConcurrentRequests']));
}

function headerFault(detail: string): string {
  if (detail.includes('underscore'))
    return 'a header has an underscore in its name, by which it could pass for another one';
  if (detail.includes('too_many')) return 'the request has more than 100 headers';
  return 'the headers of the request have more than 32 kB';
}
