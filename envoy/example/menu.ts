/** The menu: answers its sidecar on a Unix socket. */
import { Code, ConnectError } from '@connectrpc/connect';
import { implement } from '@weft/runtime/server/implement';
import { serve } from '@weft/runtime/server/serve';
import { MenuService } from './gen/tea/menu/v1/menu_service_pb.js';

const celsius = new Map([
  ['oolong', 85],
  ['sencha', 70],
]);

const menu = implement(MenuService, {
  getTea({ name }) {
    const degrees = celsius.get(name);
    if (degrees === undefined) throw new ConnectError(`there is no ${name}`, Code.NotFound);
    return { celsius: degrees };
  },
});

await serve({ listen: 'unix:run/menu.app.sock', services: [menu] });
