/**
 * Further cases, each a comparison at several points: sizes of messages, numbers of callers, and streams by the message. On the
 * side of the server and on that of the client.
 */

import type { ClientCall } from '../client/drive.ts';
import { compare, cpuOf, cpuRatio, type Measured, type Subject } from '../compare.ts';
import type { Call } from '../load/calls.ts';
import type { Settings } from '../settings.ts';
import type { Case, Table } from './case.ts';
import { chosen, clientSubject, serverSubject, startAnswerer, startClient, startLoad, startServer } from './start.ts';

/** One row: what is called, and by how many. */
type Point = {
  readonly label: string;
  readonly call: Pick<Call, 'rpc' | 'blobBytes' | 'updates'>;
  readonly callers?: number;
};

const VARIANTS = ['ours', 'grpc-js', 'connect-node', 'bare'];
/** Once a process has seen the first point, it needs less time for the next. */
const LATER_WARM_UP_MS = 1_500;

const SIZES: readonly Point[] = [64, 1_024, 16_384, 262_144, 1_048_576].map((blobBytes) => ({
  label: blobBytes < 1_024 ? `${blobBytes} B` : blobBytes < 1_048_576 ? `${blobBytes / 1_024} KiB` : '1 MiB',
  call: { rpc: 'EchoBlob', blobBytes },
  // Enough to keep a core busy, and not so many that it measures how much memory there is.
  callers: blobBytes > 100_000 ? 8 : 64,
}));
const CALLERS: readonly Point[] = [1, 8, 64, 512].map((callers) => ({
  label: String(callers),
  call: { rpc: 'PlaceOrder' },
  callers,
}));
const STREAMS: readonly Point[] = [
  { label: '10 messages a stream', call: { rpc: 'WatchOrder', updates: 10 }, callers: 32 },
  { label: '500 messages a stream', call: { rpc: 'WatchOrder', updates: 500 }, callers: 8 },
];

export const gridCases: readonly Case[] = (['server', 'client'] as const).flatMap((side) => [
  grid(side, 'sizes', 'gRPC unary, one blob there and back, by its size', SIZES),
  grid(side, 'callers', 'gRPC unary, an order of three lines, by calls at once', CALLERS),
  grid(side, 'streams', 'gRPC server streams, CPU us a message', STREAMS),
]);

function grid(side: 'server' | 'client', what: string, title: string, points: readonly Point[]): Case {
  const sides = { server: serversAt, client: clientsAt };
  return {
    name: `${side}-${what}`,
    title: `${side === 'server' ? 'Servers' : 'Clients'}, ${title}`,
    variants: VARIANTS,
    async run(settings) {
      const variants = chosen(VARIANTS, settings);
      const at = await sides[side](variants, settings);
      const rows: { label: string; measured: Measured[] }[] = [];
      for (const [index, point] of points.entries()) {
        const warmUpMs = index === 0 ? settings.warmUpMs : Math.min(settings.warmUpMs, LATER_WARM_UP_MS);
        const progress = (text: string) => settings.progress(`${point.label}, ${text}`);
        const subjects = await at(point);
        rows.push({ label: point.label, measured: await compare(subjects, { ...settings, warmUpMs, progress }) });
      }
      return { tables: [tableOf(this.title, variants, rows)], raw: rows };
    },
    async subject(variant, settings) {
      const at = await sides[side]([variant], settings);
      const [first] = points;
      const [subject] = first === undefined ? [] : await at(first);
      if (subject === undefined) {
        throw new Error(`there is no ${variant} to measure`);
      }
      return subject;
    },
  };
}

type AtPoint = (point: Point) => Promise<Subject[]>;

async function serversAt(variants: readonly string[], settings: Settings): Promise<AtPoint> {
  const load = await startLoad();
  const workers = await Promise.all(
    variants.map(async (name) => ({ name, worker: await startServer(name, { settings }) })),
  );
  return ({ call, callers = settings.callers }) =>
    Promise.all(
      workers.map(({ name, worker }) =>
        serverSubject(name, { worker, load, call: { protocol: 'grpc', ...call }, settings: { ...settings, callers } }),
      ),
    );
}

async function clientsAt(variants: readonly string[], settings: Settings): Promise<AtPoint> {
  const answers = new Map<number, string>();
  const workers = new Map<string, Awaited<ReturnType<typeof startClient>>>();
  return async ({ call: { updates = 0, blobBytes }, callers = settings.callers }) => {
    // A server of prepared answers knows streams of one length only.
    const address = answers.get(updates) ?? (await (await startAnswerer({ updates })).ask('address'));
    answers.set(updates, address);
    const call: ClientCall = { updates, ...(blobBytes === undefined ? {} : { blobBytes }) };
    return Promise.all(
      variants.map(async (name) => {
        const key = `${name} ${address}`;
        const worker = workers.get(key) ?? (await startClient(name, { options: { address }, settings }));
        workers.set(key, worker);
        return clientSubject(name, { worker, call, settings: { ...settings, callers } });
      }),
    );
  };
}

function tableOf(
  title: string,
  variants: readonly string[],
  rows: readonly { label: string; measured: readonly Measured[] }[],
): Table {
  const others = variants.filter((name) => name !== 'ours');
  return {
    title,
    head: ['', ...variants.map((name) => `${name} us`), ...others.map((name) => `${name} / ours`)],
    rows: rows.map(({ label, measured }) => {
      const of = (name: string): Measured => measured.find((one) => one.name === name) ?? { name, costs: [] };
      return [
        label,
        ...variants.map((name) => cpuOf(of(name)).median.toFixed(1)),
        ...others.map((name) => cpuRatio(of(name), of('ours')).median.toFixed(2)),
      ];
    }),
  };
}
