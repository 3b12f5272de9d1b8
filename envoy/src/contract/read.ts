/**
 * Reads the contract out of descriptors. The options are found by their names in the descriptors at hand rather than in generated
 * code, so the compiler runs on any repository that imports weft/mesh/v1/options.proto, and before anything was generated.
 */
import {
  type DescExtension,
  type DescFile,
  type DescMethod,
  type DescService,
  type FileRegistry,
  getExtension,
  hasExtension,
  type Message,
} from '@bufbuild/protobuf';
import type { MethodPolicy, ServicePolicy } from '@weft/gen/weft/mesh/v1/options_pb.js';
import { InputError } from '../input-error.ts';
import { commentOf } from './comment.ts';
import type { DeclaredContract, DeclaredMethod, DeclaredService } from './declared.ts';
import { knowAllOptions } from './known-options.ts';
import { SourceMap } from './position.ts';
import { insistsOnRequestId } from './validation.ts';

// Numbers of fields in google/protobuf/descriptor.proto, which source info is keyed by.
const fileServices = 6;
const serviceMethods = 2;
const serviceOptions = 3;
const methodOptions = 4;

/** What the options of a contract are called. */
interface Options {
  readonly service: DescExtension;
  readonly method: DescExtension;
  readonly field: DescExtension | undefined;
}

/** Reads all services of `files`. Throws an InputError when the policy options are missing from `registry`, or are newer than this. */
export function readContract(registry: FileRegistry, files: readonly DescFile[], sourceRoot: string): DeclaredContract {
  knowAllOptions(registry);
  const options = {
    service: required(registry, 'weft.mesh.v1.service'),
    method: required(registry, 'weft.mesh.v1.method'),
    field: registry.getExtension('buf.validate.field'),
  };
  const services = files.flatMap((file) => {
    const source = new SourceMap(file.proto, sourceRoot);
    return file.services.map((service, index) => readService(service, [fileServices, index], source, options));
  });
  const methods = services.flatMap((service) => service.methods.map((method) => [method.fullName, method] as const));
  return { services, methods: new Map(methods) };
}

function required(registry: FileRegistry, name: string): DescExtension {
  const extension = registry.getExtension(name);
  if (!extension) throw new InputError(`weft/mesh/v1/options.proto has no option ${name}`);
  return extension;
}

function readService(desc: DescService, path: number[], source: SourceMap, options: Options): DeclaredService {
  const methods: DeclaredMethod[] = [];
  const service: DeclaredService = {
    desc,
    policy: optionOf<ServicePolicy>(desc.proto.options, options.service),
    methods,
    comment: commentOf(desc),
    position: source.at(path),
    locate: (steps) => source.inOption([...path, serviceOptions], options.service, steps),
  };
  for (const [index, method] of desc.methods.entries()) {
    methods.push(readMethod(method, service, [...path, serviceMethods, index], source, options));
  }
  return service;
}

function readMethod(
  desc: DescMethod,
  service: DeclaredService,
  path: number[],
  source: SourceMap,
  options: Options,
): DeclaredMethod {
  return {
    desc,
    fullName: `${desc.parent.typeName}/${desc.name}`,
    service,
    policy: optionOf<MethodPolicy>(desc.proto.options, options.method),
    requestIdRequired: insistsOnRequestId(desc.input, options.field),
    comment: commentOf(desc),
    position: source.at(path),
    locate: (steps) => source.inOption([...path, methodOptions], options.method, steps),
  };
}

/** The value has the shape of the generated type, since both come from the same descriptor; only its class is not checked. */
function optionOf<T extends Message>(options: Message | undefined, option: DescExtension): T | undefined {
  return options && hasExtension(options, option) ? (getExtension(options, option) as T) : undefined;
}
