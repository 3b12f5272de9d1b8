/**
 * The contracts that live tests are generated from: the example's, and the repository's own. What is expected of a mesh is read here
 * from the descriptors' options as they stand, by none of the compiler's code, so that one mistake cannot be in both.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  type DescField,
  type DescFile,
  type DescMethod,
  type FileRegistry,
  getExtension,
  hasExtension,
  type Message,
} from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { describeProtos, testFolder } from './compile.ts';

/** Descriptors, and the topology in which they are run. */
export interface ContractUnderTest {
  readonly name: string;
  readonly registry: FileRegistry;
  readonly files: readonly DescFile[];
  readonly topology: string;
  readonly rpcs: readonly ExpectedRpc[];
  /** Names of all workloads, the edge's not among them, sorted. */
  readonly workloads: readonly string[];
}

export type Exposure = 'INTERNAL' | 'AUTHENTICATED' | 'PUBLIC';

/** One RPC, and what its options promise. */
export interface ExpectedRpc {
  readonly desc: DescMethod;
  /** `acme.shelf.v1.ShelfService/GetBook`. */
  readonly name: string;
  readonly workload: string;
  /** The most that its service works on at once. */
  readonly maxConcurrent: number;
  /** Workloads that declare a call to it, sorted; the edge is not among them. */
  readonly callers: readonly string[];
  readonly exposure: Exposure;
  readonly scopes: readonly string[];
  /** Unary RPCs only. */
  readonly deadlineMs: number | undefined;
  /** Streams only. */
  readonly idleTimeoutMs: number | undefined;
  readonly maxDurationMs: number | undefined;
  readonly retry: { readonly maxAttempts: number; readonly codes: readonly string[] } | undefined;
  readonly rateLimit: { readonly perSecond: number; readonly burst: number } | undefined;
}

const repository = fileURLToPath(new URL('../../..', import.meta.url));

/** Two small services, each RPC of which stands for a policy. */
export const exampleContract = (): ContractUnderTest =>
  contractOf('the example', `${testFolder}/protos`, `${testFolder}/topologies/test.yaml`);

/** What this repository's own services promise, in its own topology. */
export const ownContract = (): ContractUnderTest =>
  contractOf('this repository', `${repository}/proto`, `${repository}/envoy/topologies/local.yaml`);

function contractOf(name: string, protos: string, topology: string): ContractUnderTest {
  const { registry } = describeProtos(protos);
  const files = [...registry.files].filter(({ services }) =>
    services.some(({ proto }) => proto.options?.$unknown?.some(({ no }) => no === serviceOption)),
  );
  const rpcs = rpcsOf(registry, files);
  const workloads = [...new Set(rpcs.map(({ workload }) => workload))].sort();
  return { name, registry, files, topology: readFileSync(topology, 'utf8'), rpcs, workloads };
}

/** The number of the service option, as it is written in weft/mesh/v1/options.proto. */
const serviceOption = 50901;

function rpcsOf(registry: FileRegistry, files: readonly DescFile[]): ExpectedRpc[] {
  const services = files.flatMap(({ services }) => services);
  const policies = services.flatMap((service) => {
    const whole = optionOf(registry, service.proto.options, 'weft.mesh.v1.service');
    if (whole === undefined) throw new Error(`${service.typeName} has no policy`);
    const workload = whole.text('workload');
    const maxConcurrent = whole.number('max_concurrent_requests') || 256;
    return service.methods.map((desc) => {
      const policy = optionOf(registry, desc.proto.options, 'weft.mesh.v1.method');
      if (policy === undefined) throw new Error(`${desc.name} has no policy`);
      return { desc, workload, maxConcurrent, policy, name: `${service.typeName}/${desc.name}` };
    });
  });
  return policies.map(({ desc, workload, maxConcurrent, policy, name }) => {
    const calls = (one: (typeof policies)[number]) =>
      one.policy.list('calls').some((call) => call.text('rpc') === name);
    const callers = new Set(policies.filter(calls).map((caller) => caller.workload));
    const stream = policy.message('stream');
    const retry = policy.message('retry');
    const limit = policy.message('rate_limit');
    const perSecond = limit?.number('requests_per_second') ?? 0;
    const codes = retry?.enums('codes').map((code) => code.replace('RETRY_CODE_', '')) ?? [];
    return {
      desc,
      name,
      workload,
      maxConcurrent,
      callers: [...callers].sort(),
      exposure: policy.enums('exposure')[0]?.replace('EXPOSURE_', '') as Exposure,
      scopes: policy.texts('scopes'),
      deadlineMs: policy.duration('deadline'),
      idleTimeoutMs: stream?.duration('idle_timeout'),
      maxDurationMs: stream?.duration('max_duration'),
      retry: retry && { maxAttempts: retry.number('max_attempts'), codes: codes.length > 0 ? codes : ['UNAVAILABLE'] },
      rateLimit: limit && { perSecond, burst: limit.number('burst') || perSecond },
    };
  });
}

/** The fields of an option by their names in the proto. */
class Option {
  readonly #message: ReflectMessage;

  constructor(message: ReflectMessage) {
    this.#message = message;
  }

  text(name: string): string {
    return String(this.#message.get(this.#field(name)));
  }

  number(name: string): number {
    return Number(this.#message.get(this.#field(name)));
  }

  texts(name: string): string[] {
    return [...(this.#message.get(this.#field(name)) as Iterable<unknown>)].map(String);
  }

  message(name: string): Option | undefined {
    const field = this.#field(name);
    return this.#message.isSet(field) ? new Option(this.#message.get(field) as ReflectMessage) : undefined;
  }

  list(name: string): Option[] {
    return [...(this.#message.get(this.#field(name)) as Iterable<ReflectMessage>)].map((one) => new Option(one));
  }

  /** Names of the enum values of a field, repeated or not. */
  enums(name: string): string[] {
    const field = this.#field(name);
    const value = this.#message.get(field);
    const numbers = field.fieldKind === 'list' ? [...(value as Iterable<number>)] : [Number(value)];
    return numbers.map((number) => field.enum?.value[number]?.name ?? '');
  }

  /** In milliseconds. */
  duration(name: string): number | undefined {
    const value = this.message(name);
    return value && value.number('seconds') * 1000 + value.number('nanos') / 1e6;
  }

  #field(name: string): DescField {
    const field = this.#message.desc.fields.find((one) => one.name === name);
    if (field === undefined) throw new Error(`${this.#message.desc.typeName} has no field ${name}`);
    return field;
  }
}

function optionOf(registry: FileRegistry, options: Message | undefined, name: string): Option | undefined {
  const extension = registry.getExtension(name);
  if (extension?.message === undefined || options === undefined || !hasExtension(options, extension)) return undefined;
  return new Option(reflect(extension.message, getExtension(options, extension) as Message));
}
