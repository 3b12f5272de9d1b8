/** One RPC: what its comment says, what its policy promises, who calls it and whom it calls, and its messages. */
import { type Contract, callingMethods, type Method } from '../contract/contract.ts';
import type { DeclaredMethod } from '../contract/declared.ts';
import { formatMs } from '../contract/duration.ts';
import { formatPosition } from '../contract/position.ts';
import { waitingIn, worstCaseInWords, worstCaseMs } from '../contract/worst-case.ts';
import { anchorOf, paragraphs, table } from './markdown.ts';
import { type Context, fieldsTable } from './types.ts';

/** The section of one RPC. */
export function methodSection(declared: DeclaredMethod, contract: Contract, context: Context): string {
  const { desc, comment, fullName } = declared;
  const method = contract.methods.get(fullName);
  if (!method) throw new Error(`${fullName} is not in the settled contract`);
  const page = desc.parent.file.proto.package;
  return paragraphs(
    `### ${desc.parent.name}/${desc.name}`,
    comment,
    table(['Policy', ''], policyRows(method, contract, desc.methodKind.replaceAll('_', ' '))),
    `**Request** \`${desc.input.name}\``,
    fieldsTable(desc.input, page, context),
    `**Response** \`${desc.output.name}\``,
    fieldsTable(desc.output, page, context),
  );
}

function policyRows(method: Method, contract: Contract, kind: string): string[][] {
  const { limits, retry, rateLimit, objective, calls } = method;
  const callers = callingMethods(contract, method).map(({ fullName }) => fullName);
  const rows: [string, string][] = [
    ['Kind', `${kind}${method.idempotent ? ', may be repeated' : ''}`],
    limits.kind === 'unary'
      ? ['Deadline', formatMs(limits.deadlineMs)]
      : ['Limits', `${formatMs(limits.idleTimeoutMs)} without a message, ${formatMs(limits.maxDurationMs)} in all`],
    ['Retry', retryInWords(retry)],
    ['Exposure', exposureInWords(method)],
  ];
  if (rateLimit) rows.push(['Rate limit', `${rateLimit.requestsPerSecond} a second, ${rateLimit.burst} at once`]);
  if (objective) rows.push(['Objective', objectiveInWords(objective)]);
  if (method.publicMutationDecision !== '') rows.push(['Why public', method.publicMutationDecision]);
  if (calls.length > 0) rows.push(['Calls', calls.map(callInWords).join(', ')]);
  const worstMs = worstCaseMs(calls, waitingIn(contract));
  if (worstMs > 0) {
    rows.push(['Worst case', `${formatMs(worstMs)} for its callees: ${worstCaseInWords(calls, waitingIn(contract))}`]);
  }
  if (callers.length > 0) rows.push(['Called by', callers.map(rpcLink).join(', ')]);
  rows.push(['Declared in', `\`${formatPosition(method.position)}\``]);
  return rows;
}

function retryInWords(retry: Method['retry']): string {
  if (!retry) return 'only when the call never reached the service';
  const each = retry.perTryTimeoutMs === undefined ? '' : `, each at most ${formatMs(retry.perTryTimeoutMs)}`;
  return `${retry.maxAttempts} tries in all on ${retry.codes.join(', ')}${each}`;
}

function exposureInWords({ exposure, scopes }: Method): string {
  if (exposure === 'INTERNAL') return 'inside the mesh only';
  if (exposure === 'PUBLIC') return 'anyone';
  return `users with ${scopes.map((scope) => `\`${scope}\``).join(' or ')}`;
}

function objectiveInWords({ availabilityPpm, latencyMs, latencyPpm }: NonNullable<Method['objective']>): string {
  const percent = (ppm: number): string => `${ppm / 10_000} %`;
  const latency = latencyMs === undefined ? '' : `, ${percent(latencyPpm)} within ${formatMs(latencyMs)}`;
  return `${percent(availabilityPpm)} answered${latency}`;
}

function callInWords({ rpc, maxTimes, parallel, background, onFailure }: Method['calls'][number]): string {
  const details = [
    ...(maxTimes > 1 ? [`up to ${maxTimes} times`] : []),
    ...(parallel ? ['in parallel'] : []),
    ...(background ? ['in the background'] : []),
    ...(onFailure === 'DEGRADE' ? ['answers without it when it fails'] : []),
  ];
  return rpcLink(rpc) + (details.length > 0 ? ` (${details.join(', ')})` : '');
}

/** A link to the section of an RPC, on its package's page. */
export function rpcLink(fullName: string): string {
  const dot = fullName.lastIndexOf('.', fullName.indexOf('/'));
  const [page, heading] = [fullName.slice(0, dot), fullName.slice(dot + 1)];
  return `[${heading}](${page}.md#${anchorOf(heading)})`;
}
