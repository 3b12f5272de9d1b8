/** The thread in which migrations.ts runs Prisma's schema engine. */
import { parentPort, workerData } from 'node:worker_threads';
import { migrate } from '@weft/runtime/data/migrate';

parentPort?.postMessage(await migrate(workerData));
