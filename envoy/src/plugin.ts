/**
 * protoc-gen-envoy: the compiler as a plugin of buf or protoc. It is run once for all files (`strategy: all`), since policy speaks
 * of RPCs across files. Options are listed in envoy/README.md.
 */
import { posix } from 'node:path';
import { create, createFileRegistry, type DescFile } from '@bufbuild/protobuf';
import {
  type CodeGeneratorRequest,
  type CodeGeneratorResponse,
  CodeGeneratorResponseSchema,
  Edition,
  CodeGeneratorResponse_Feature as Feature,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { ContractError, compile } from './compile.ts';
import { InputError } from './input-error.ts';
import { parseOptions } from './plugin-options.ts';
import { runPlugin } from './plugin-process.ts';
import { topologyFiles } from './topology/folder.ts';

function run(request: CodeGeneratorRequest): CodeGeneratorResponse {
  try {
    const { topologies, ...options } = parseOptions(request.parameter);
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: request.protoFile }));
    const files = request.fileToGenerate
      .map((name) => registry.getFile(name))
      .filter((file): file is DescFile => file !== undefined);
    return respond({
      file: compile({ ...options, registry, files, topologies: topologyFiles(topologies) }),
    });
  } catch (error) {
    if (error instanceof ContractError) return respond({ error: `\n${error.message}${hint(request, error)}` });
    if (error instanceof InputError) return respond({ error: error.message });
    throw error;
  }
}

/** buf's default is to run a plugin once per folder, which sees no RPC of another one. */
function hint({ fileToGenerate }: CodeGeneratorRequest, { problems }: ContractError): string {
  const folders = new Set(fileToGenerate.map((name) => posix.dirname(name)));
  const puzzled = problems.some(({ rule }) => rule === 'unknown-call') && folders.size === 1;
  return puzzled
    ? '\nOnly one folder was given to the compiler. In buf.gen.yaml the plugin needs `strategy: all`.'
    : '';
}

const respond = (init: { file?: { name: string; content: string }[]; error?: string }): CodeGeneratorResponse =>
  create(CodeGeneratorResponseSchema, {
    ...init,
    supportedFeatures: BigInt(Feature.PROTO3_OPTIONAL | Feature.SUPPORTS_EDITIONS),
    minimumEdition: Edition.EDITION_PROTO2,
    maximumEdition: Edition.EDITION_2024,
  });

runPlugin({ name: 'protoc-gen-envoy', version: 'v0.1.0', run });
