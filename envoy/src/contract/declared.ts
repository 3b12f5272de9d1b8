/**
 * A contract as it was written: services and RPCs with the policy options they carry, complete or not, sensible or not. The
 * checks judge this shape; only what passed them is settled into the model that everything is generated from.
 */
import type { DescMethod, DescService } from '@bufbuild/protobuf';
import type { MethodPolicy, ServicePolicy } from '@weft/gen/weft/mesh/v1/options_pb.js';
import type { OptionPath, Position } from './position.ts';

/** Every service that was handed to the compiler. */
export interface DeclaredContract {
  readonly services: readonly DeclaredService[];
  /** All RPCs by full name, in the order of the sources. */
  readonly methods: ReadonlyMap<string, DeclaredMethod>;
}

/** A service and what its options say. */
export interface DeclaredService {
  readonly desc: DescService;
  readonly policy: ServicePolicy | undefined;
  readonly methods: readonly DeclaredMethod[];
  readonly comment: string;
  readonly position: Position;
  /** Where a field of the policy stands. */
  locate(path: OptionPath): Position;
}

/** An RPC and what its options say. */
export interface DeclaredMethod {
  readonly desc: DescMethod;
  /** `acme.shelf.v1.ShelfService/GetBook`. */
  readonly fullName: string;
  readonly service: DeclaredService;
  readonly policy: MethodPolicy | undefined;
  /** Whether the request has a field `request_id` that validation insists on. */
  readonly requestIdRequired: boolean;
  readonly comment: string;
  readonly position: Position;
  /** Where a field of the policy stands. */
  locate(path: OptionPath): Position;
}

/** An RPC whose policy is there. */
export type GovernedMethod = DeclaredMethod & { readonly policy: MethodPolicy };

/** Whether either side sends more than one message. */
export const isStreaming = (method: DeclaredMethod): boolean => method.desc.methodKind !== 'unary';

/** The RPCs that have a policy: what most checks look at, since the lack of one is a problem of its own. */
export function governedMethods(contract: DeclaredContract): GovernedMethod[] {
  return [...contract.methods.values()].filter((method): method is GovernedMethod => method.policy !== undefined);
}
