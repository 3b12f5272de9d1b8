/**
 * Pairs a service of the contracts with its implementation, which is plain Connect.
 */

import type { DescMethod, DescService } from '@bufbuild/protobuf';
import type { ConnectRouter, ServiceImpl } from '@connectrpc/connect';
import type { PolicyTable } from '../policy.ts';
import type { FastHandler } from './fast/fast-method.ts';

/** A service and its implementation. */
export type Implementation = {
  readonly service: DescService;
  /** The implementation's methods by their names in TypeScript, for the checks at start. */
  readonly methods: ReadonlySet<string>;
  /** Adds the service to a Connect router. */
  register(router: ConnectRouter): void;
  /** The handler of an RPC that is asked one message, for the fast lane. */
  fastHandler(method: DescMethod): FastHandler | undefined;
};

/** Pairs a service with its implementation: `implement(ItemService, { getItem(request, context) {...}, ... })`. */
export function implement<Desc extends DescService>(service: Desc, implementation: ServiceImpl<Desc>): Implementation {
  const methods = service.methods.filter((method) => isMethod(implementation, method.localName));
  return {
    service,
    methods: new Set(methods.map((method) => method.localName)),
    register: (router) => void router.service(service, implementation),
    fastHandler(method) {
      const handler: unknown = Reflect.get(implementation, method.localName);
      const isAskedOnce = method.methodKind === 'unary' || method.methodKind === 'server_streaming';
      return isAskedOnce && typeof handler === 'function' ? (handler.bind(implementation) as FastHandler) : undefined;
    },
  };
}

/**
 * Refuses a set of services that could not keep its promises.
 *
 * @param expected the workload that serves them, and the policy that must agree; both or neither.
 * @throws Error that lists every problem: a service twice, a method that is missing, an RPC without policy or of another workload.
 */
export function checkImplementations(
  implementations: readonly Implementation[],
  { workload, policy }: { readonly workload?: string; readonly policy?: PolicyTable },
): void {
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const { service, methods } of implementations) {
    if (seen.has(service.typeName)) {
      problems.push(`${service.typeName} is implemented twice: leave one of them out`);
    }
    seen.add(service.typeName);
    for (const method of service.methods) {
      const rpc = `${service.typeName}/${method.name}`;
      if (!methods.has(method.localName)) {
        problems.push(`${rpc} is not implemented: add ${method.localName}() to its implementation`);
      }
      if (policy === undefined) {
        continue;
      }
      const promised = policy[rpc];
      if (promised === undefined) {
        problems.push(`${rpc} has no policy: set option (weft.mesh.v1.method) on it, then run npm run generate`);
      } else if (promised.workload !== workload) {
        problems.push(`${rpc} belongs to the workload ${promised.workload}, and this is ${workload}`);
      }
    }
  }
  if (problems.length > 0) {
    throw new Error(
      `${workload ?? 'this server'} cannot be served:\n${problems.map((problem) => `- ${problem}`).join('\n')}`,
    );
  }
}

function isMethod(implementation: object, name: string): boolean {
  return name in implementation && typeof Reflect.get(implementation, name) === 'function';
}
