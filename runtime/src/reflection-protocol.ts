/**
 * The messages of grpc.reflection.v1 and v1alpha, which differ in nothing but the package. Wire compatible with
 * grpc/reflection/v1/reflection.proto.
 */

import type { Message } from '@bufbuild/protobuf';
import { type GenMessage, type GenService, serviceDesc } from '@bufbuild/protobuf/codegenv2';
import { describeFile } from './wire/describe.ts';

type ExtensionRequest = { containingType: string; extensionNumber: number };

/** One question. */
export type ReflectionRequest = Message & {
  host: string;
  messageRequest:
    | { case: 'fileByFilename'; value: string }
    | { case: 'fileContainingSymbol'; value: string }
    | { case: 'fileContainingExtension'; value: ExtensionRequest }
    | { case: 'allExtensionNumbersOfType'; value: string }
    | { case: 'listServices'; value: string }
    | { case: undefined; value?: undefined };
};

/** One answer. */
export type ReflectionResponse = Message & {
  validHost: string;
  originalRequest?: ReflectionRequest;
  messageResponse:
    | { case: 'fileDescriptorResponse'; value: { fileDescriptorProto: Uint8Array[] } }
    | { case: 'allExtensionNumbersResponse'; value: { baseTypeName: string; extensionNumber: number[] } }
    | { case: 'listServicesResponse'; value: { service: { name: string }[] } }
    | { case: 'errorResponse'; value: { errorCode: number; errorMessage: string } }
    | { case: undefined; value?: undefined };
};

type ReflectionService = GenService<{
  serverReflectionInfo: {
    methodKind: 'bidi_streaming';
    input: GenMessage<ReflectionRequest>;
    output: GenMessage<ReflectionResponse>;
  };
}>;

function describe(version: 'v1' | 'v1alpha') {
  const name = `grpc.reflection.${version}`;
  const file = describeFile({
    name: `grpc/reflection/${version}/reflection.proto`,
    package: name,
    messages: {
      ServerReflectionRequest: {
        fields: {
          host: '1 string',
          file_by_filename: '3 string in message_request',
          file_containing_symbol: '4 string in message_request',
          file_containing_extension: `5 .${name}.ExtensionRequest in message_request`,
          all_extension_numbers_of_type: '6 string in message_request',
          list_services: '7 string in message_request',
        },
      },
      ExtensionRequest: { fields: { containing_type: '1 string', extension_number: '2 int32' } },
      ServerReflectionResponse: {
        fields: {
          valid_host: '1 string',
          original_request: `2 .${name}.ServerReflectionRequest`,
          file_descriptor_response: `4 .${name}.FileDescriptorResponse in message_response`,
          all_extension_numbers_response: `5 .${name}.ExtensionNumberResponse in message_response`,
          list_services_response: `6 .${name}.ListServiceResponse in message_response`,
          error_response: `7 .${name}.ErrorResponse in message_response`,
        },
      },
      FileDescriptorResponse: { fields: { file_descriptor_proto: '1 repeated bytes' } },
      ExtensionNumberResponse: { fields: { base_type_name: '1 string', extension_number: '2 repeated int32' } },
      ListServiceResponse: { fields: { service: `1 repeated .${name}.ServiceResponse` } },
      ServiceResponse: { fields: { name: '1 string' } },
      ErrorResponse: { fields: { error_code: '1 int32', error_message: '2 string' } },
    },
    services: {
      ServerReflection: {
        ServerReflectionInfo: {
          request: `stream .${name}.ServerReflectionRequest`,
          response: `stream .${name}.ServerReflectionResponse`,
        },
      },
    },
  });
  const service: ReflectionService = serviceDesc(file, 0);
  return service;
}

/** grpc.reflection.v1.ServerReflection */
export const ReflectionV1 = describe('v1');
/** grpc.reflection.v1alpha.ServerReflection */
export const ReflectionV1Alpha = describe('v1alpha');
