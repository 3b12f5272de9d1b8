import { expect, test } from 'vitest';
import { derivedRequestId } from './request-ids.ts';

test('the same parts name the same UUID of version 5, and others another', () => {
  const id = derivedRequestId('shipment', 'reserve');
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(derivedRequestId('shipment', 'reserve')).toBe(id);
  expect(derivedRequestId('shipment', 'release')).not.toBe(id);
  expect(derivedRequestId('ship', 'mentreserve')).not.toBe(id);
});
