/**
 * Clients whose type holds what the contracts let one workload call, and nothing else: a call that no RPC of the workload lists in
 * its `calls` would be denied by the sidecar, so it does not compile.
 */

import type { DescMethod, DescService, MessageShape } from '@bufbuild/protobuf';
import type { Client } from '@connectrpc/connect';
import type { PolicyTable } from '../policy.ts';

/** Names of the workloads of a policy table. */
export type WorkloadIn<Table extends PolicyTable> = Table[keyof Table]['workload'];

/** What `connect` takes beside its other options for a client of this kind. */
export type CallerOption<Caller extends string = string> = {
  /**
   * The workload that calls. The client then has those RPCs only that the workload's RPCs list in their `calls`. Needs `policy`.
   */
  readonly caller: Caller;
};

/** The plain Connect client of a service, without the RPCs that `Caller` does not declare. */
export type CallerClient<Desc extends DescService, Table extends PolicyTable, Caller extends WorkloadIn<Table>> = Pick<
  Client<Desc>,
  DeclaredIn<Desc, DeclaredBy<Table, Caller>>
>;

/** Full names of the RPCs that any RPC of the workload lists. */
type DeclaredBy<Table extends PolicyTable, Caller> = {
  [Rpc in keyof Table]: Table[Rpc] extends { readonly workload: Caller } ? Table[Rpc]['calls'][number]['rpc'] : never;
}[keyof Table];

/** Those names of `Desc`'s methods, as the client has them, that stand among `Rpcs`. */
type DeclaredIn<Desc extends DescService, Rpcs extends string> = {
  [Name in keyof Desc['method'] & string]: NameOf<Desc['method'][Name], Name> & Rpcs extends never ? never : Name;
}[keyof Desc['method'] & string];

/**
 * The full name of a method, as far as its type knows it. A service's type does not hold its own name; the package is that of the
 * request, which by buf's rules is of one RPC only.
 */
type NameOf<Method extends DescMethod, Name extends string> = MessageShape<
  Method['input']
>['$typeName'] extends `${infer Package}.${Capitalize<Name>}Request`
  ? `${Package}.${string}/${Capitalize<Name>}`
  : `${string}/${Capitalize<Name>}`;

/**
 * Refuses a caller that is no workload, or that declares no call to the service.
 *
 * @throws Error that says what to add where.
 */
export function checkCaller(service: DescService, caller: string, policy: PolicyTable): void {
  const ofCaller = Object.values(policy).filter(({ workload }) => workload === caller);
  if (ofCaller.length === 0) {
    throw new Error(`connect: policy has no workload ${caller}`);
  }
  const called = ofCaller.flatMap(({ calls }) => calls).some(({ rpc }) => rpc.startsWith(`${service.typeName}/`));
  if (!called) {
    throw new Error(`connect: no RPC of ${caller} lists one of ${service.typeName} in its calls`);
  }
}
