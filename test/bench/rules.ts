/**
 * `npm run bench:rules`: what it takes to see that a request keeps the rules of its contract, by the library and by the quick look
 * (runtime/src/server/rules/quick-check.ts), in turns in one run.
 */

import { create, type DescMessage, type Message } from '@bufbuild/protobuf';
import { createValidator } from '@bufbuild/protovalidate';
import {
  CreateReservationRequestSchema,
  PlanSourcingRequestSchema,
  ReleaseReservationRequestSchema,
} from '@weft/gen/weft/inventory/v1/reservation_service_pb.js';
import { surelyKeepsRules } from '@weft/runtime/server/rules/quick-check';

const ROUNDS = 7;
const CALLS = 100_000;

const id = '0197f3a0-0000-7000-8000-000000000001';
const lines = ['S-1', 'S-2', 'S-3'].map((sku) => ({ sku, quantity: 1n }));
const requests: readonly (readonly [DescMessage, Message])[] = [
  [ReleaseReservationRequestSchema, create(ReleaseReservationRequestSchema, { requestId: id, reservationId: id })],
  [PlanSourcingRequestSchema, create(PlanSourcingRequestSchema, { lines })],
  [
    CreateReservationRequestSchema,
    create(CreateReservationRequestSchema, { requestId: id, lines, ttl: { seconds: 3_600n }, reference: 'order 1' }),
  ],
];

const validator = createValidator();
const ways = {
  library: (desc: DescMessage, message: Message) => validator.validate(desc, message).kind === 'valid',
  quick: surelyKeepsRules,
};

for (const [desc, message] of requests) {
  const us = { library: [] as number[], quick: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const way of ['library', 'quick'] as const) {
      us[way].push(cpuUs(() => ways[way](desc, message)));
    }
  }
  const ratios = us.library.map((library, round) => library / (us.quick[round] ?? Number.NaN));
  const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  process.stdout.write(
    `${desc.name.padEnd(26)} library ${median(us.library).toFixed(2)} us, quick ${median(us.quick).toFixed(2)} us, ` +
      `${median(ratios).toFixed(0)} times as fast (${Math.min(...ratios).toFixed(0)} to ${Math.max(...ratios).toFixed(0)})\n`,
  );
}

/** CPU time of a call, in microseconds. */
function cpuUs(call: () => boolean): number {
  const before = process.cpuUsage();
  let kept = 0;
  for (let index = 0; index < CALLS; index += 1) {
    kept += Number(call());
  }
  const { user, system } = process.cpuUsage(before);
  if (kept !== CALLS) {
    throw new Error('a request that keeps its rules was not seen to');
  }
  return (user + system) / CALLS;
}
