/**
 * A load generator, in a process of its own: closed loops of callers over the runtime's client, for a time. Prints one line of JSON.
 */

import { randomUUID } from 'node:crypto';
import { ReservationService } from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { policies } from '@weft/gen/weft/policy.ts';
import { connect } from '@weft/runtime/client/connect';
import { reasonOf } from '@weft/runtime/errors/fail';

/** What to do. */
export type LoadOptions = {
  readonly egress: string;
  readonly callers: number;
  readonly seconds: number;
  /** Items `S-1` to `S-<skus>`, each as likely. */
  readonly skus: number;
  /** Lines of a reservation, of one unit each. */
  readonly lines: number;
};

/** What was seen. */
export type LoadResult = {
  readonly seconds: number;
  readonly calls: number;
  /** Refusals by reason. */
  readonly refused: Readonly<Record<string, number>>;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU that the load itself took, in milliseconds. */
  readonly loadMs: number;
};

if (import.meta.main) {
  const result = await run(JSON.parse(process.argv[2] ?? '{}') as LoadOptions);
  process.stdout.write(JSON.stringify(result));
  // Connections of the load stay open.
  process.exit();
}

async function run({ egress, callers, seconds, skus, lines }: LoadOptions): Promise<LoadResult> {
  const { createReservation } = connect(ReservationService, { egress, policy: policies });
  const latencies: number[] = [];
  const refused: Record<string, number> = {};
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const end = begun + seconds * 1_000;
  const caller = async () => {
    while (performance.now() < end) {
      const wanted = Array.from({ length: lines }, () => ({
        sku: `S-${1 + Math.floor(Math.random() * skus)}`,
        quantity: 1n,
      }));
      const sent = performance.now();
      try {
        await createReservation({ requestId: randomUUID(), lines: wanted, ttl: { seconds: 3_600n } });
        latencies.push(performance.now() - sent);
      } catch (error) {
        const reason = reasonOf(error) ?? String(error);
        refused[reason] = (refused[reason] ?? 0) + 1;
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const took = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
  return {
    seconds: took,
    calls: latencies.length,
    refused,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    loadMs: (user + system) / 1_000,
  };
}
