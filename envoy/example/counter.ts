/** The counter: answers its sidecar, and reaches the menu through it. What may be called, and for how long, is the contract's. */
import { connect } from '@weft/runtime/client/connect';
import { implement } from '@weft/runtime/server/implement';
import { serve } from '@weft/runtime/server/serve';
import { policies } from './gen/policy.ts';
import { CounterService } from './gen/tea/counter/v1/counter_service_pb.js';
import { MenuService } from './gen/tea/menu/v1/menu_service_pb.js';

const menu = connect(MenuService, {
  egress: 'unix:run/counter.out.sock',
  policy: policies,
  errors: 'as-received',
});

const counter = implement(CounterService, {
  async brew({ tea }) {
    const { celsius } = await menu.getTea({ name: tea });
    return { cup: `${tea} at ${celsius} °C` };
  },
});

await serve({ listen: 'unix:run/counter.app.sock', services: [counter] });
