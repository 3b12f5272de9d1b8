/** What changed in the promises of one RPC that was there before. Who calls it is told by callers.ts. */
import type { Method, Retry } from '../contract/contract.ts';
import { formatMs } from '../contract/duration.ts';
import type { Kind } from './change.ts';

/** A kind of change, and the sentence about it. */
export type Told = readonly [kind: Kind, text: string];

type Rule = (before: Method, after: Method) => readonly Told[];

/** Everything that callers of an RPC may notice. */
export const compareMethods: Rule = (before, after) => rules.flatMap((rule) => rule(before, after));

const workload: Rule = ({ workload: from }, { workload: to }) =>
  from === to ? [] : [['rpc-moved', `is answered by ${to} instead of ${from}`]];

const openness = { INTERNAL: 0, AUTHENTICATED: 1, PUBLIC: 2 } as const;

const exposure: Rule = ({ exposure: from }, { exposure: to, scopes }) => {
  if (from === to) return [];
  if (openness[to] < openness[from]) return [['exposure-narrowed', `is ${to}, and was ${from}`]];
  if (to === 'PUBLIC') return [['made-public', `may be called by anyone, and was ${from}`]];
  return [['made-reachable', `may be called from outside with ${scopes.join(' or ')}, and was ${from}`]];
};

/** Any one of the scopes will do, so that one more lets more in. */
const scopes: Rule = (before, after) => {
  if (before.exposure !== after.exposure) return [];
  const [gone, come] = [without(before.scopes, after.scopes), without(after.scopes, before.scopes)];
  return [
    ...gone.map((scope): Told => ['scope-removed', `no longer takes tokens that hold ${scope} alone`]),
    ...come.map((scope): Told => ['scope-added', `takes tokens that hold ${scope} alone`]),
  ];
};

const limits: Rule = ({ limits: from }, { limits: to }) => {
  if (from.kind === 'unary' && to.kind === 'unary') {
    return moved(from.deadlineMs, to.deadlineMs, 'its deadline', ['deadline-lowered', 'deadline-raised']);
  }
  if (from.kind === 'stream' && to.kind === 'stream') {
    const names = ['stream-shortened', 'stream-lengthened'] as const;
    return [
      ...moved(from.idleTimeoutMs, to.idleTimeoutMs, 'the longest silence of its stream', names),
      ...moved(from.maxDurationMs, to.maxDurationMs, 'the longest life of its stream', names),
    ];
  }
  return [['stream-shortened', `was a ${from.kind} RPC and is a ${to.kind} one`]];
};

const moved = (from: number, to: number, what: string, [less, more]: readonly [Kind, Kind]): Told[] =>
  from === to ? [] : [[to < from ? less : more, `${what} is ${formatMs(to)}, and was ${formatMs(from)}`]];

const repeatable: Rule = ({ idempotent: from }, { idempotent: to }) => {
  if (from === to) return [];
  return to
    ? [['became-repeatable', 'may be repeated by its callers, by its idempotency_level']]
    : [['not-repeatable', 'may no longer be repeated by its callers: its idempotency_level is gone']];
};

const effects: Rule = ({ readOnly: from }, { readOnly: to }) => {
  if (from === to) return [];
  return to
    ? [['changes-nothing', 'has no side effects, by its idempotency_level']]
    : [['may-change-state', 'may change state: its idempotency_level no longer says that it has no side effects']];
};

const retry: Rule = ({ retry: from }, { retry: to }) => {
  if (!from && !to) return [];
  if (!from) return [['became-retryable', `is tried up to ${to?.maxAttempts} times on ${to?.codes.join(', ')}`]];
  if (!to) return [['retry-reduced', `is no longer tried again on ${from.codes.join(', ')}`]];
  return [...attempts(from, to), ...codes(from, to), ...eachTry(from, to)];
};

const attempts = ({ maxAttempts: from }: Retry, { maxAttempts: to }: Retry): Told[] => {
  if (from === to) return [];
  return [[to < from ? 'retry-reduced' : 'became-retryable', `is tried up to ${to} times, and was up to ${from}`]];
};

const codes = (from: Retry, to: Retry): Told[] => [
  ...without(from.codes, to.codes).map((code): Told => ['retry-reduced', `is no longer tried again on ${code}`]),
  ...without(to.codes, from.codes).map((code): Told => ['became-retryable', `is tried again on ${code} too`]),
];

const eachTry = ({ perTryTimeoutMs: from }: Retry, { perTryTimeoutMs: to }: Retry): Told[] => {
  if (from === to) return [];
  const inWords = (ms: number | undefined) => (ms === undefined ? 'the deadline' : formatMs(ms));
  return [['try-changed', `one try may take ${inWords(to)}, and could take ${inWords(from)}`]];
};

const rate: Rule = ({ rateLimit: from }, { rateLimit: to }) => {
  if (!from && !to) return [];
  if (!to) return [['rate-raised', 'is no longer rate limited']];
  const now = `${to.requestsPerSecond} a second, ${to.burst} at once`;
  if (!from) return [['rate-lowered', `is limited to ${now}, and was not limited`]];
  if (from.requestsPerSecond === to.requestsPerSecond && from.burst === to.burst) return [];
  const was = `${from.requestsPerSecond} a second, ${from.burst} at once`;
  const isLess = to.requestsPerSecond < from.requestsPerSecond || to.burst < from.burst;
  return [[isLess ? 'rate-lowered' : 'rate-raised', `is limited to ${now}, and was to ${was}`]];
};

const objective: Rule = ({ objective: from }, { objective: to }) => {
  if (!from && !to) return [];
  if (!to) return [['objective-lowered', 'has no objective any more, so nothing alerts on it']];
  if (!from) return [['objective-raised', 'has an objective']];
  const weaker =
    to.availabilityPpm < from.availabilityPpm ||
    to.latencyPpm < from.latencyPpm ||
    (to.latencyMs ?? Infinity) > (from.latencyMs ?? Infinity);
  const isSame =
    to.availabilityPpm === from.availabilityPpm && to.latencyPpm === from.latencyPpm && to.latencyMs === from.latencyMs;
  if (isSame) return [];
  return weaker
    ? [['objective-lowered', 'promises less in its objective']]
    : [['objective-raised', 'promises more in its objective']];
};

const decision: Rule = ({ publicMutationDecision: from }, { publicMutationDecision: to }) =>
  from === to || from === '' || to === '' ? [] : [['decision-reworded', 'gives another reason for being public']];

const rules: readonly Rule[] = [
  workload,
  exposure,
  scopes,
  limits,
  repeatable,
  effects,
  retry,
  rate,
  objective,
  decision,
];

const without = <T>(list: readonly T[], others: readonly T[]): T[] => list.filter((entry) => !others.includes(entry));
