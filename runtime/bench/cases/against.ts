/**
 * The main cases: ours against each comparator, in CPU time a call. Servers of a protocol are driven by one load with the
 * same bytes; clients call one server that answers with the same bytes.
 */

import { compare, cpuOf, cpuRatio, type Measured, type Subject } from '../compare.ts';
import type { Call } from '../load/calls.ts';
import type { Settings } from '../settings.ts';
import type { Case, CaseResult, Finding, Table } from './case.ts';
import { chosen, clientSubject, serverSubject, startAnswerer, startClient, startLoad, startServer } from './start.ts';

/** A comparator in words, and the ratio that is wanted. */
type Wanted = { readonly against: string; readonly ratio: number };

type Against = {
  readonly name: string;
  readonly title: string;
  readonly side: 'server' | 'client';
  readonly wanted: Readonly<Record<string, Wanted>>;
  start(variants: readonly string[], settings: Settings): Promise<Subject[]>;
};

const CONNECT_GRPC = 'connect-node, gRPC';
const CONNECT_JSON = 'connect-node, Connect unary with JSON';
const GRPC_JS = 'grpc-js, gRPC';
const BARE_GRPC = 'bare node:http2 with protobuf-es, gRPC';
const BARE_GRPC_LIMIT = 'bare node:http2 with our codec, gRPC: the limit';
const BARE_JSON = 'bare node:http2 with protobuf-es, JSON';
const BARE_JSON_LIMIT = 'bare node:http2 with our codec, JSON: the limit';

const PLACE_ORDER: Call = { protocol: 'grpc', rpc: 'PlaceOrder' };

export const mainCases: readonly Case[] = [
  against({
    name: 'server-grpc',
    title: 'Servers, gRPC unary: an order of three lines, a deadline on each call',
    side: 'server',
    wanted: {
      'connect-node': { against: CONNECT_GRPC, ratio: 6 },
      'grpc-js': { against: GRPC_JS, ratio: 1.6 },
      bare: { against: BARE_GRPC, ratio: 0.85 },
      'bare-our-codec': { against: BARE_GRPC_LIMIT, ratio: 0.85 },
    },
    start: (variants, settings) => startServers(variants, PLACE_ORDER, settings),
  }),
  against({
    name: 'server-connect-json',
    title: 'Servers, Connect unary with JSON: the same order, a deadline on each call',
    side: 'server',
    wanted: {
      'connect-node': { against: CONNECT_JSON, ratio: 3 },
      bare: { against: BARE_JSON, ratio: 0.85 },
      'bare-our-codec': { against: BARE_JSON_LIMIT, ratio: 0.85 },
    },
    start: (variants, settings) => startServers(variants, { ...PLACE_ORDER, protocol: 'connect-json' }, settings),
  }),
  against({
    name: 'client-grpc',
    title: 'Clients, gRPC unary: an order of three lines, a deadline on each call',
    side: 'client',
    wanted: {
      'connect-node': { against: CONNECT_GRPC, ratio: 2.5 },
      'grpc-js': { against: GRPC_JS, ratio: 1.4 },
      bare: { against: BARE_GRPC, ratio: 0.85 },
      'bare-our-codec': { against: BARE_GRPC_LIMIT, ratio: 0.85 },
    },
    start: startClients,
  }),
  against({
    name: 'client-connect-json',
    title: 'Clients: ours, which speaks gRPC to all, against Connect unary with JSON',
    side: 'client',
    wanted: { 'connect-node-json': { against: CONNECT_JSON, ratio: 2 } },
    start: startClients,
  }),
];

async function startServers(variants: readonly string[], call: Call, settings: Settings): Promise<Subject[]> {
  const load = await startLoad();
  return Promise.all(
    variants.map(async (name) => {
      const worker = await startServer(name, { settings });
      return serverSubject(name, { worker, load, call, settings });
    }),
  );
}

async function startClients(variants: readonly string[], settings: Settings): Promise<Subject[]> {
  const answers = await startAnswerer();
  const address = await answers.ask('address');
  return Promise.all(
    variants.map(async (name) => {
      const worker = await startClient(name, { options: { address }, settings });
      return clientSubject(name, { worker, settings });
    }),
  );
}

function against({ name, title, side, wanted, start }: Against): Case {
  const variants = ['ours', ...Object.keys(wanted)];
  return {
    name,
    title,
    variants,
    async run(settings): Promise<CaseResult> {
      const measured = await compare(await start(chosen(variants, settings), settings), settings);
      const ours = measured.find((one) => one.name === 'ours');
      if (ours === undefined) {
        throw new Error(`${name} did not measure ours`);
      }
      const findings = measured.flatMap((one): Finding[] => {
        const goal = wanted[one.name];
        return goal === undefined
          ? []
          : [{ side, against: goal.against, ratio: cpuRatio(one, ours), wanted: goal.ratio }];
      });
      return { tables: [tableOf(title, measured, ours, wanted)], findings, raw: measured };
    },
    async subject(variant, settings) {
      const [subject] = await start([variant], settings);
      if (subject === undefined) {
        throw new Error(`${name} has no ${variant}`);
      }
      return subject;
    },
  };
}

function tableOf(
  title: string,
  measured: readonly Measured[],
  ours: Measured,
  wanted: Readonly<Record<string, Wanted>>,
): Table {
  return {
    title,
    head: ['', 'CPU us a call', 'min-max', 'calls/s a core', 'ratio to ours', 'min-max', 'wanted'],
    rows: measured.map((one) => {
      const cpu = cpuOf(one);
      const ratio = cpuRatio(one, ours);
      return [
        one.name,
        cpu.median.toFixed(1),
        `${cpu.min.toFixed(1)}-${cpu.max.toFixed(1)}`,
        Math.round(1_000_000 / cpu.median).toString(),
        ratio.median.toFixed(2),
        `${ratio.min.toFixed(2)}-${ratio.max.toFixed(2)}`,
        wanted[one.name] === undefined ? '' : `>= ${wanted[one.name]?.ratio}`,
      ];
    }),
  };
}
