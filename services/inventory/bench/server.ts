/**
 * A server for the benchmarks: inventory as it is, or with CreateReservation carried out by a comparator. Says `ready` when it listens;
 * from one SIGUSR2 to the next it is profiled, and then writes the profile as a line of JSON.
 */

import { Session } from 'node:inspector/promises';

import type { ServiceImpl } from '@connectrpc/connect';
import { ReservationService } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { openPool } from '@weft/runtime/data/pool';
import { implement } from '@weft/runtime/server/implement';
import { serve } from '@weft/runtime/server/serve';
import { openInventory } from '../src/inventory.ts';
import { reserveForUpdate, reserveInOneStatement } from './comparators.ts';
import type { Variant } from './stand.ts';

const [variant = 'ours', listen = '', databaseUrl = ''] = process.argv.slice(2) as [Variant, string, string];
await serve({ workload: 'inventory', listen, policy: policies, services: services(), drain: { noticeMs: 0 } });
const session = new Session();
let isProfiling = false;
process.on('SIGUSR2', profile);
process.stdout.write('ready\n');

async function profile(): Promise<void> {
  isProfiling = !isProfiling;
  if (isProfiling) {
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    process.stdout.write('profiling\n');
  } else {
    const { profile: taken } = await session.post('Profiler.stop');
    session.disconnect();
    process.stdout.write(`${JSON.stringify(taken)}\n`);
  }
}

function services() {
  const { services } = openInventory({ databaseUrl });
  if (variant === 'ours') {
    return services;
  }
  const pool = openPool({ databaseUrl, workload: 'inventory' });
  const createReservation = variant === 'single' ? reserveInOneStatement(pool) : reserveForUpdate(pool);
  const refuse = () => {
    throw new Error('a comparator can reserve and nothing else');
  };
  // Only what is measured is ever called.
  const nothing = Object.fromEntries(Object.keys(ReservationService.method).map((name) => [name, refuse]));
  const implementation = { ...nothing, createReservation } as unknown as ServiceImpl<typeof ReservationService>;
  return [implement(ReservationService, implementation)];
}
