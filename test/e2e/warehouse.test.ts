/**
 * A warehouse through the edge, in each protocol: who may write stock moves goods to another location and counts what lies there, and an
 * order is served from what came of it; who may only read may do neither.
 */

import { randomUUID } from 'node:crypto';
import { Code, ConnectError } from '@connectrpc/connect';
import { CountService, CountState } from '@weft/gen/weft/inventory/v1/count_service_pb.js';
import { TransferService, TransferState } from '@weft/gen/weft/inventory/v1/transfer_service_pb.js';
import { reasonOf } from '@weft/runtime/errors/fail';
import { beforeAll, expect, test, vi } from 'vitest';
import { type TestMesh, testMesh } from '../../dev/src/testing.ts';
import { type Caller, callerOf, failureOf, PROTOCOLS } from './customer.ts';
import { expectConsistent, type Lines, level, newItem, orderOf, patiently, settled } from './shop.ts';

// A machine that is busy with something else is no failure.
vi.setConfig({ testTimeout: 120_000 });

let mesh: TestMesh;
beforeAll(async () => {
  mesh = await testMesh();
});

/** Drafts a transfer and ships it; gives its id. */
async function ship(keeper: Caller, sourceLocationId: string, destinationLocationId: string, line: Lines[number]) {
  const transfers = keeper.of(TransferService);
  const draft = { requestId: randomUUID(), sourceLocationId, destinationLocationId, lines: [line] };
  const { transfer } = await patiently(() => transfers.createTransfer(draft));
  expect(transfer?.state).toBe(TransferState.DRAFT);
  const { transferId = '' } = transfer ?? {};
  const shipping = { requestId: randomUUID(), transferId };
  await patiently(() => transfers.shipTransfer(shipping));
  return transferId;
}

/** Receives all of a transfer. */
async function receive(keeper: Caller, transferId: string, sku: string, accepted: bigint, rejected: bigint) {
  const lines = [{ sku, acceptedQuantity: accepted, rejectedQuantity: rejected }];
  const receiving = { requestId: randomUUID(), transferId, lines };
  const { transfer } = await patiently(() => keeper.of(TransferService).receiveTransfer(receiving));
  expect(transfer?.state).toBe(TransferState.RECEIVED);
}

test.each(PROTOCOLS)('goods are moved, counted and sold, in %s', async (protocol) => {
  const { sku, locationId: here } = await newItem(await callerOf(mesh, { protocol }), 10n);
  const keeper = await callerOf(mesh, { protocol, scopes: ['stock:write'] });
  // Which does not ship to Berlin.
  const there = 'newark';

  const transferId = await ship(keeper, here, there, { sku, quantity: 10n });
  expect(await level(keeper, sku, there)).toMatchObject({ onHand: 0n, incoming: 10n });
  await receive(keeper, transferId, sku, 7n, 3n);
  expect(await level(keeper, sku, here)).toMatchObject({ onHand: 0n });
  expect(await level(keeper, sku, there)).toMatchObject({ onHand: 10n, damaged: 3n, available: 7n, incoming: 0n });

  const counts = keeper.of(CountService);
  const open = { requestId: randomUUID(), locationId: there, skus: [sku] };
  const { count } = await patiently(() => counts.createCount(open));
  const { countId = '' } = count ?? {};
  const submit = { requestId: randomUUID(), countId, lines: [{ sku, countedQuantity: 4n }] };
  await patiently(() => counts.submitCount(submit));
  const approve = { requestId: randomUUID(), countId };
  const approved = await patiently(() => counts.approveCount(approve));
  expect(approved.count).toMatchObject({
    state: CountState.APPROVED,
    lines: [{ difference: -6n, actor: keeper.subject }],
  });
  expect(await level(keeper, sku, there)).toMatchObject({ onHand: 4n, damaged: 3n, available: 1n });

  // One unit is left to be sold; once it is here, one customer has it.
  await receive(keeper, await ship(keeper, there, here, { sku, quantity: 1n }), sku, 1n, 0n);
  const lines = [{ sku, quantity: 1n }];
  const [customer, late] = [await callerOf(mesh, { protocol }), await callerOf(mesh, { protocol })];
  const [order, lateOrder] = [await orderOf(customer, lines), await orderOf(late, lines)];
  expect([await settled(customer, order), await settled(late, lateOrder)]).toEqual(['CONFIRMED', 'INSUFFICIENT_STOCK']);
  expect(await level(keeper, sku, here)).toMatchObject({ onHand: 1n, reserved: 1n, available: 0n });
  await expectConsistent(mesh.databases);
});

test.each(PROTOCOLS)('who may not write stock may not move or count it, in %s', async (protocol) => {
  const transferId = randomUUID();
  const countId = randomUUID();
  const place = { locationId: 'berlin', skus: ['A'] };
  const move = { sourceLocationId: 'berlin', destinationLocationId: 'nowhere', lines: [{ sku: 'A', quantity: 1n }] };
  /** How each of the writing RPCs fails for somebody. */
  async function codes(caller: Caller): Promise<Set<Code>> {
    const transfers = caller.of(TransferService);
    const counts = caller.of(CountService);
    const requestId = randomUUID();
    const lines = [{ sku: 'A', countedQuantity: 1n }];
    const errors = await Promise.all(
      [
        transfers.createTransfer({ requestId, ...move }),
        transfers.shipTransfer({ requestId, transferId }),
        transfers.receiveTransfer({ requestId, transferId, lines: [{ sku: 'A', acceptedQuantity: 1n }] }),
        transfers.cancelTransfer({ requestId, transferId }),
        counts.createCount({ requestId, ...place }),
        counts.submitCount({ requestId, countId, lines }),
        counts.approveCount({ requestId, countId }),
      ].map(failureOf),
    );
    return new Set(errors.map((error) => ConnectError.from(error).code));
  }
  const reader = await callerOf(mesh, { protocol, scopes: ['stock:read', 'catalog:write', 'orders:write'] });
  expect(await codes(reader)).toEqual(new Set([Code.PermissionDenied]));
  expect(await codes(await callerOf(mesh, { protocol, scopes: 'none' }))).toEqual(new Set([Code.Unauthenticated]));
  // Reading is another matter.
  const missing = await failureOf(patiently(() => reader.of(CountService).getCount({ countId })));
  expect(reasonOf(missing)).toBe('COUNT_NOT_FOUND');
  expect(
    (await patiently(() => reader.of(TransferService).listTransfers({ pageSize: 1 }))).transfers.length,
  ).toBeLessThan(2);
});
