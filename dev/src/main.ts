/** `npm start` on the project's Node: starts the mesh, places one order, says what there is to try, and stops on Ctrl-C. */
import { join } from 'node:path';
import { styleText } from 'node:util';
import { readArguments, type StartArguments, usage } from './arguments.ts';
import { Failure, messageOf } from './failure.ts';
import { memoryUse } from './memory.ts';
import { type Mesh, startMesh } from './mesh.ts';
import { placeOrder } from './order.ts';
import { grpcurlLines, hopTree, orderTable } from './order-report.ts';
import { checkout, defaultStateFolder } from './paths.ts';
import { defaultPorts, type PortName } from './ports.ts';
import { type Progress, terminalProgress } from './progress.ts';
import { resetState } from './reset.ts';
import { seed } from './seed.ts';
import { writeThirdPartyProtos } from './third-party-protos.ts';
import { userCollector } from './workloads.ts';

const customer = 'developer';
const sameAskMs = 500;
const heading = (text: string) => `\n  ${styleText('bold', text, { stream: process.stdout })}`;

process.exit(await main());

async function main(): Promise<number> {
  let options: StartArguments;
  try {
    options = readArguments(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n\n${usage}`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(usage);
    return 0;
  }
  const progress = terminalProgress(process.stdout);
  const stopping = stopSignals(progress);
  try {
    return await start(options, progress, stopping);
  } catch (error) {
    progress.end();
    if (stopping.signal.aborted) return 130;
    process.stderr.write(`\n${error instanceof Failure ? error.explain() : (error as Error).stack}\n`);
    return 1;
  }
}

async function start(options: StartArguments, progress: Progress, stopping: Stopping): Promise<number> {
  const started = performance.now();
  const stateFolder = defaultStateFolder();
  if (options.reset) await progress.step('Reset', () => resetState(stateFolder));
  // For who asks the running mesh with weft, or edits a contract: buf reads the contracts with these beside them.
  writeThirdPartyProtos(join(checkout, '.weft', 'proto'));
  const mesh = await startMesh({ stateFolder, ports: options.ports, progress, signal: stopping.signal });
  stopping.onForce = () => mesh.abort();
  try {
    await seed(mesh, progress);
    if (options.order && !stopping.signal.aborted) await order(mesh, progress);
    progress.say(summary(mesh, performance.now() - started));
    await stopping.asked;
  } finally {
    await progress.step('Stop', () => mesh.close());
    progress.end();
  }
  return 0;
}

/** An order that cannot be placed is told, and the mesh stays up to be looked at. */
async function order(mesh: Mesh, progress: Progress): Promise<void> {
  const token = await mesh.token({ subject: customer });
  try {
    const placed = await progress.step('One order through the edge', async (note) => {
      const result = await placeOrder(mesh, { subject: customer, token });
      note(`answered in ${(result.prepareMs + result.placeMs).toFixed(0)} ms`);
      return result;
    });
    const hops = placed.spans.length === 0 ? '  The spans have not arrived (yet).' : hopTree(placed.spans);
    progress.say(
      [
        heading('The order'),
        orderTable(placed),
        heading(`What each hop of PlaceShipment took (PrepareCheckout: ${placed.prepareMs.toFixed(0)} ms)`),
        hops,
        heading('Trace'),
        `  ${placed.traceId}`,
        `  ${mesh.webUrl}/traces/${placed.traceId}#token=${token}`,
        heading('Bearer token'),
        `  ${token}`,
        heading('With grpcurl'),
        grpcurlLines(mesh.edgeUrl, token, placed.shipment.shipmentId),
      ].join('\n'),
    );
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    progress.say(`\n${error.explain()}`);
  }
}

function summary(mesh: Mesh, elapsedMs: number): string {
  const moved = (Object.keys(defaultPorts) as PortName[])
    .filter((name) => mesh.ports[name] !== defaultPorts[name])
    .map((name) => `${name} ${mesh.ports[name]} (${defaultPorts[name]} was taken)`);
  const megabytes = memoryUse(mesh.pids()).reduce((sum, use) => sum + use.mebibytes, 0);
  const collector = userCollector();
  return [
    heading(`Weft runs, after ${(elapsedMs / 1000).toFixed(1)} s, in ${megabytes.toFixed(0)} MiB`),
    `  Page   ${mesh.webUrl}`,
    `  Edge   ${mesh.edgeUrl}   gRPC, gRPC-Web and Connect`,
    `  Traces ${mesh.otlpUrl}   OTLP/HTTP${collector === undefined ? '' : `, passed on to ${collector}`}`,
    `  Logs   ${mesh.stateFolder}/logs`,
    ...(moved.length === 0 ? [] : [`  Ports that are not the usual ones: ${moved.join(', ')}`]),
    '  A token for others: npm run --silent token -- --help',
    '  Ctrl-C stops everything.\n',
  ].join('\n');
}

interface Stopping {
  /** Resolves when the mesh is asked to stop. */
  asked: Promise<void>;
  /** Aborted at the same moment. */
  signal: AbortSignal;
  /** Called when it is asked a second time. */
  onForce: () => void;
}

/** Ctrl-C, SIGTERM, a closed terminal, and the end of the process that started this one: all ask to stop. */
function stopSignals(progress: Progress): Stopping {
  const asked = Promise.withResolvers<void>();
  const abort = new AbortController();
  const stopping: Stopping = { asked: asked.promise, signal: abort.signal, onForce: () => {} };
  let askedMs = 0;
  const ask = () => {
    // One Ctrl-C may come twice: from the terminal, and passed on by the process that started this one.
    if (abort.signal.aborted && performance.now() - askedMs < sameAskMs) return;
    askedMs = performance.now();
    if (abort.signal.aborted) {
      progress.say('  Stopping at once.');
      stopping.onForce();
      return;
    }
    abort.abort(new Error('stopped by signal'));
    asked.resolve();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ask);
  // Open only when install.mjs has started this process; it closes when that one dies.
  process.once('disconnect', () => {
    if (!abort.signal.aborted) ask();
  });
  // A terminal that is gone must not keep us from stopping what we have started.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  return stopping;
}
