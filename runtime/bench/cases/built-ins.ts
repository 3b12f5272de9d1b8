/**
 * What ours costs with and without each thing that is built in: the same server or client, with one difference, in the same
 * rounds. Telemetry exports to a collector of its own process.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { compare, cpuOf, cpuRatio, type Measured, type Subject } from '../compare.ts';
import type { Call } from '../load/calls.ts';
import type { CollectorCommands } from '../load/collector.ts';
import type { ServerOptions } from '../server/handlers.ts';
import type { Settings } from '../settings.ts';
import { ratioOf, type Spread, spreadOf } from '../statistics.ts';
import { startWorker, type Worker } from '../workers.ts';
import type { Case, CaseResult, Finding, Table } from './case.ts';
import { clientSubject, serverSubject, startAnswerer, startClient, startLoad, startServer } from './start.ts';

type Variant = {
  readonly server?: string;
  readonly options?: ServerOptions;
  readonly call?: Partial<Call>;
  /** Environment variables of OpenTelemetry; the endpoint is added. */
  readonly telemetry?: Readonly<Record<string, string>>;
  /** Most of the throughput that it may cost, as a share. */
  readonly costMax?: number;
};
/** Until the last spans of a process have left it: they go once a second. */
const FLUSH_MS = 2_000;

type Variants = Readonly<Record<string, Variant>>;

/** All are compared with the first: a deadline on each call, no rules, no interceptors, no telemetry. */
const BUILT_INS: Variants = {
  plain: {},
  'no deadline sent': { call: { deadline: false } },
  'rules checked': { call: { checked: true } },
  '1 interceptor': { options: { interceptors: 1 } },
  '3 interceptors': { options: { interceptors: 3 } },
  'limits out of reach': { options: { unlimited: true } },
  'refused by the catalogue': { call: { rpc: 'RefuseOrder', status: 3 } },
  'refused by connect-node': { server: 'connect-node', call: { rpc: 'RefuseOrder', status: 3 } },
  'refused by grpc-js': { server: 'grpc-js', call: { rpc: 'RefuseOrder', status: 3 } },
};
const TELEMETRY: Variants = {
  'telemetry off': { call: { trace: 'sampled' } },
  'not sampled': { call: { trace: 'not sampled' }, telemetry: {}, costMax: 0.03 },
  'all sampled': { call: { trace: 'sampled' }, telemetry: {}, costMax: 0.15 },
  'all sampled and metrics': { call: { trace: 'sampled' }, telemetry: { OTEL_METRICS_EXPORTER: 'otlp' } },
};
const CLIENT_TELEMETRY: Variants = {
  'telemetry off': {},
  'not sampled': { telemetry: { OTEL_TRACES_SAMPLER: 'always_off' }, costMax: 0.03 },
  'all sampled': { telemetry: {}, costMax: 0.15 },
};

export const builtInCases: readonly Case[] = [
  {
    name: 'server-built-ins',
    title: 'Our server with and without what is built in, gRPC unary, an order of three lines',
    variants: Object.keys(BUILT_INS),
    async run(settings) {
      const subjects = await startServers(wanted(BUILT_INS, settings), settings);
      const measured = await compare(subjects, settings);
      return { tables: [costTable(this.title, measured)], raw: measured };
    },
    subject: (variant, settings) => one(variant, startServers(pick(BUILT_INS, variant), settings)),
  },
  telemetryCase('server', TELEMETRY, startServers),
  telemetryCase('client', CLIENT_TELEMETRY, startClients),
];

type Start = (variants: Variants, settings: Settings, collector?: Collector) => Promise<Subject[]>;
type Collector = { readonly worker: Worker<CollectorCommands>; readonly url: string };

function telemetryCase(side: 'server' | 'client', variants: Variants, startSide: Start): Case {
  return {
    name: `${side}-telemetry`,
    title: `Our ${side} with telemetry, exporting to a collector, gRPC unary`,
    variants: Object.keys(variants),
    async run(settings): Promise<CaseResult> {
      const collector = await startCollector();
      const calls = new Map<string, number>();
      const subjects = await startSide(wanted(variants, settings), settings, collector);
      const measured = await compare(
        subjects.map((subject) => countingCalls(subject, calls)),
        settings,
      );
      await delay(FLUSH_MS);
      const spans = await collector.worker.ask('spans');
      const findings = measured.flatMap((variant): Finding[] => {
        const costMax = variants[variant.name]?.costMax;
        const reference = measured[0];
        return costMax === undefined || reference === undefined
          ? []
          : [
              {
                side,
                against: `without telemetry; ${variant.name}`,
                ratio: cpuRatio(reference, variant),
                wanted: 1 - costMax,
              },
            ];
      });
      const notes = Object.keys(wanted(variants, settings)).flatMap((name, index) => {
        const exported = spans.get(pathOf(index)) ?? 0;
        const share = (exported / (calls.get(name) ?? 0)) * 100;
        return exported === 0 ? [] : [`${name}: ${share.toFixed(0)} % of the calls had their span exported.`];
      });
      return { tables: [{ ...costTable(this.title, measured), notes }], findings, raw: measured };
    },
    async subject(variant, settings) {
      return one(variant, startSide(pick(variants, variant), settings, await startCollector()));
    },
  };
}

/** Counts the calls of a variant, to be compared with its spans: a queue that overflows makes telemetry look cheap. */
function countingCalls(subject: Subject, calls: Map<string, number>): Subject {
  const count = (made: number): void => void calls.set(subject.name, (calls.get(subject.name) ?? 0) + made);
  return {
    ...subject,
    async verify() {
      const made = await subject.verify();
      count(made);
      return made;
    },
    async drive(limits) {
      const driven = await subject.drive(limits);
      count(driven.calls);
      return driven;
    },
  };
}

async function startCollector(): Promise<Collector> {
  const worker = await startWorker<CollectorCommands>('collector', { module: './load/collector.ts' });
  return { worker, url: await worker.ask('url') };
}

function environmentOf(
  { telemetry }: Variant,
  index: number,
  collector: Collector | undefined,
): Readonly<Record<string, string>> {
  return telemetry === undefined || collector === undefined
    ? {}
    : { OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/${pathOf(index)}`, ...telemetry };
}

function pathOf(index: number): string {
  return `variant-${index}`;
}

async function startServers(variants: Variants, settings: Settings, collector?: Collector): Promise<Subject[]> {
  const load = await startLoad();
  return Promise.all(
    Object.entries(variants).map(async ([name, variant], index) => {
      const options = { ...variant.options, ...(variant.telemetry === undefined ? {} : { telemetry: true }) };
      const env = environmentOf(variant, index, collector);
      const worker = await startServer(variant.server ?? 'ours', { options, settings, env });
      const call: Call = { protocol: 'grpc', rpc: 'PlaceOrder', ...variant.call };
      return serverSubject(name, { worker, load, call, settings });
    }),
  );
}

async function startClients(variants: Variants, settings: Settings, collector?: Collector): Promise<Subject[]> {
  const address = await (await startAnswerer()).ask('address');
  return Promise.all(
    Object.entries(variants).map(async ([name, variant], index) => {
      const options = { address, ...(variant.telemetry === undefined ? {} : { telemetry: true }) };
      const worker = await startClient('ours', { options, settings, env: environmentOf(variant, index, collector) });
      return clientSubject(name, { worker, settings });
    }),
  );
}

/** The first, with which the others are compared, and those that are asked for. */
function wanted(variants: Variants, { only }: Settings): Variants {
  const kept = Object.entries(variants).filter(([name], index) => index === 0 || only === undefined || only.has(name));
  return Object.fromEntries(kept);
}

function pick(variants: Variants, name: string): Variants {
  const variant = variants[name];
  return variant === undefined ? {} : { [name]: variant };
}

async function one(name: string, subjects: Promise<readonly Subject[]>): Promise<Subject> {
  const [subject] = await subjects;
  if (subject === undefined) {
    throw new Error(`there is no ${name} to measure`);
  }
  return subject;
}

/** Against the first variant: CPU time, the difference of each round, and what share of the throughput that takes. */
function costTable(title: string, measured: readonly Measured[]): Table {
  const [reference] = measured;
  const cpu = (variant: Measured | undefined): number[] => variant?.costs.map(({ cpuUs }) => cpuUs) ?? [];
  return {
    title,
    head: ['', 'CPU us a call', 'difference us', 'min-max', 'throughput lost'],
    rows: measured.map((variant) => {
      const differences: Spread = spreadOf(cpu(variant).map((us, round) => us - (cpu(reference)[round] ?? Number.NaN)));
      const lost = 1 - ratioOf(cpu(reference), cpu(variant)).median;
      return [
        variant.name,
        cpuOf(variant).median.toFixed(1),
        differences.median.toFixed(1),
        `${differences.min.toFixed(1)} to ${differences.max.toFixed(1)}`,
        `${(lost * 100).toFixed(0)} %`,
      ];
    }),
  };
}
