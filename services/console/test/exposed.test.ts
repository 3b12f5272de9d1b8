import { exposedServices } from '@weft/gen/weft/exposed.ts';
import { policies } from '@weft/gen/weft/policy.ts';
import { expect, test } from 'vitest';

test('reflection and health show exactly the services that have an RPC at the edge', () => {
  const routed = Object.entries(policies)
    .filter(([, policy]) => policy.exposure !== 'INTERNAL')
    .map(([rpc]) => rpc.slice(0, rpc.lastIndexOf('/')));
  expect(exposedServices.map((service) => service.typeName).sort()).toEqual([...new Set(routed)].sort());
});
