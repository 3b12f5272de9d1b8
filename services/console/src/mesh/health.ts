/**
 * The health that the edge shows to those outside: a service is SERVING when the edge's own Envoy has a healthy replica to
 * send its calls to.
 */

import type { DescService } from '@bufbuild/protobuf';
import type { Health } from '@weft/runtime/health';
import type { PolicyTable } from '@weft/runtime/policy';
import type { EnvoyWatcher } from '../topology/watcher.ts';

/** Keeps `health` in step with what the Envoy of `edge` sees, round by round. What it does not say stays as it was. */
export function followHealth(
  watcher: EnvoyWatcher,
  health: Pick<Health, 'set'>,
  options: { readonly edge: string; readonly services: readonly DescService[]; readonly policy: PolicyTable },
): void {
  const last = new Map<string, boolean>();
  watcher.on('sampled', () => {
    for (const service of options.services) {
      const [method] = service.methods;
      const workload = method && options.policy[`${service.typeName}/${method.name}`]?.workload;
      const serving = workload === undefined ? undefined : watcher.sees(options.edge, workload);
      if (serving !== undefined && serving !== last.get(service.typeName)) {
        last.set(service.typeName, serving);
        health.set(service.typeName, serving);
      }
    }
  });
}
