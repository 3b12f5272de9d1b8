/**
 * Server reflection, grpc.reflection.v1 and v1alpha: what lets `grpcurl` and its like call without proto files. Answers from
 * the descriptors that the generated code carries, custom options included.
 */

import type { DescExtension, DescFile, DescMessage, DescService } from '@bufbuild/protobuf';
import { toBinary } from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Code, type ServiceImpl } from '@connectrpc/connect';
import { ErrorInfoSchema } from './errors/details.ts';
import {
  type ReflectionRequest,
  type ReflectionResponse,
  ReflectionV1,
  ReflectionV1Alpha,
} from './reflection-protocol.ts';
import { type Implementation, implement } from './server/implement.ts';

/** The two versions of the reflection service, showing `services` and themselves. */
export function reflection(services: readonly DescService[]): readonly Implementation[] {
  const index = new DescriptorIndex([...services, ReflectionV1, ReflectionV1Alpha]);
  const serverReflectionInfo = (requests: AsyncIterable<ReflectionRequest>) => answerAll(index, requests);
  const v1: ServiceImpl<typeof ReflectionV1> = { serverReflectionInfo };
  const v1alpha: ServiceImpl<typeof ReflectionV1Alpha> = { serverReflectionInfo };
  return [implement(ReflectionV1, v1), implement(ReflectionV1Alpha, v1alpha)];
}

type Answer = ReflectionResponse['messageResponse'];

async function* answerAll(index: DescriptorIndex, requests: AsyncIterable<ReflectionRequest>) {
  const sent = new Set<string>();
  for await (const request of requests) {
    const { host: validHost } = request;
    yield { validHost, originalRequest: request, messageResponse: answer(index, request, sent) };
  }
}

function answer(index: DescriptorIndex, { messageRequest }: ReflectionRequest, sent: Set<string>): Answer {
  switch (messageRequest.case) {
    case 'listServices':
      return { case: 'listServicesResponse', value: { service: index.services.map((name) => ({ name })) } };
    case 'fileByFilename':
      return files(index.file(messageRequest.value), sent, `file ${messageRequest.value}`);
    case 'fileContainingSymbol':
      return files(index.fileOfSymbol(messageRequest.value), sent, `symbol ${messageRequest.value}`);
    case 'fileContainingExtension': {
      const { containingType, extensionNumber } = messageRequest.value;
      const extension = index.extensionsOf(containingType).find(({ number }) => number === extensionNumber);
      return files(extension?.file, sent, `extension ${extensionNumber} of ${containingType}`);
    }
    case 'allExtensionNumbersOfType': {
      const baseTypeName = messageRequest.value;
      if (!index.hasMessage(baseTypeName)) {
        return notFound(`message ${baseTypeName}`);
      }
      const extensionNumber = index.extensionsOf(baseTypeName).map(({ number }) => number);
      return { case: 'allExtensionNumbersResponse', value: { baseTypeName, extensionNumber } };
    }
    default:
      return {
        case: 'errorResponse',
        value: { errorCode: Code.InvalidArgument, errorMessage: 'the request asks nothing' },
      };
  }
}

/** A file, and those it needs that this stream has not sent yet. */
function files(file: DescFile | undefined, sent: Set<string>, what: string): Answer {
  if (file === undefined) {
    return notFound(what);
  }
  const wanted = [file, ...reachable(file.dependencies).filter((needed) => !sent.has(needed.proto.name))];
  for (const { proto } of wanted) {
    sent.add(proto.name);
  }
  const fileDescriptorProto = wanted.map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
}

function notFound(what: string): Answer {
  return {
    case: 'errorResponse',
    value: { errorCode: Code.NotFound, errorMessage: `${what.slice(0, 200)} is not known here` },
  };
}

/** The files given and all that they import, each once. */
function reachable(files: readonly DescFile[], found = new Map<string, DescFile>()): DescFile[] {
  for (const file of files) {
    if (!found.has(file.proto.name)) {
      found.set(file.proto.name, file);
      reachable(file.dependencies, found);
    }
  }
  return [...found.values()];
}

/** What the files of some services declare, by name. */
class DescriptorIndex {
  /** Full names of the services shown, sorted. */
  readonly services: readonly string[];
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();
  readonly #messages = new Map<string, DescMessage>();
  readonly #extensions = new Map<string, DescExtension[]>();

  constructor(services: readonly DescService[]) {
    this.services = [...new Set(services.map((service) => service.typeName))].sort();
    // No service names the details of its errors, but who is shown an error wants to read them.
    for (const file of reachable([...services.map((service) => service.file), ErrorInfoSchema.file])) {
      this.#files.set(file.proto.name, file);
      this.#add(file);
    }
  }

  file(name: string): DescFile | undefined {
    return this.#files.get(name);
  }

  /** The file that declares a message, enum, service, extension, method, field or enum value. */
  fileOfSymbol(symbol: string): DescFile | undefined {
    return this.#symbols.get(symbol);
  }

  hasMessage(typeName: string): boolean {
    return this.#messages.has(typeName);
  }

  extensionsOf(typeName: string): readonly DescExtension[] {
    return this.#extensions.get(typeName) ?? [];
  }

  #add(file: DescFile): void {
    for (const type of nestedTypes(file)) {
      this.#symbols.set(type.typeName, file);
      switch (type.kind) {
        case 'message':
          this.#messages.set(type.typeName, type);
          for (const member of [...type.fields, ...type.oneofs]) {
            this.#symbols.set(`${type.typeName}.${member.name}`, file);
          }
          break;
        case 'enum':
          for (const value of type.values) {
            // As in C++, an enum's values are siblings of the enum.
            this.#symbols.set(type.typeName.replace(/[^.]*$/, value.name), file);
          }
          break;
        case 'service':
          for (const method of type.methods) {
            this.#symbols.set(`${type.typeName}.${method.name}`, file);
          }
          break;
        case 'extension':
          this.#extensions.set(type.extendee.typeName, [...this.extensionsOf(type.extendee.typeName), type]);
          break;
      }
    }
  }
}
