import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serveEcho } from '../test/echo-server.ts';
import type { ReflectionRequest } from './reflection-protocol.ts';
import { ReflectionV1, ReflectionV1Alpha } from './reflection-protocol.ts';
import type { RunningServer } from './server/serve.ts';

let server: RunningServer;
beforeAll(async () => {
  server = await serveEcho();
});
afterAll(() => server.close());

type Question = ReflectionRequest['messageRequest'];

describe.each([
  ['v1', ReflectionV1],
  ['v1alpha', ReflectionV1Alpha],
])('reflection %s', (_version, service) => {
  async function ask(...questions: Question[]) {
    const client = createClient(service, createGrpcTransport({ baseUrl: `http://${server.address}` }));
    async function* requests() {
      for (const messageRequest of questions) {
        yield { host: 'here', messageRequest };
      }
    }
    return Array.fromAsync(client.serverReflectionInfo(requests()));
  }
  async function filesOf(question: Question) {
    const [answer] = await ask(question);
    if (answer?.messageResponse.case !== 'fileDescriptorResponse') {
      throw new Error(`no files: ${answer?.messageResponse.case}`);
    }
    return answer.messageResponse.value.fileDescriptorProto.map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    );
  }

  test('lists what is served, itself and health included', async () => {
    const [answer] = await ask({ case: 'listServices', value: '' });
    expect(answer?.validHost).toBe('here');
    expect(answer?.originalRequest?.messageRequest.case).toBe('listServices');
    expect(answer?.messageResponse).toMatchObject({
      value: {
        service: [
          { name: 'grpc.health.v1.Health' },
          { name: 'grpc.reflection.v1.ServerReflection' },
          { name: 'grpc.reflection.v1alpha.ServerReflection' },
          { name: 'weft.test.v1.EchoService' },
        ],
      },
    });
  });

  test.each([
    'weft.test.v1.EchoService',
    'weft.test.v1.EchoService.Echo',
    'weft.test.v1.EchoRequest',
    'weft.test.v1.EchoRequest.count',
  ])('finds the file of %s, with all that it needs', async (value) => {
    const files = await filesOf({ case: 'fileContainingSymbol', value });
    expect(files[0]?.name).toBe('weft/test/v1/echo.proto');
    const names = files.map(({ name }) => name);
    expect(names).toContain('buf/validate/validate.proto');
    expect(new Set(names).size).toBe(names.length);
    // Whoever asks can build the descriptors from it, rules included.
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: files.reverse() }));
    expect(registry.getMessage('weft.test.v1.EchoRequest')?.fields[1]?.proto.options?.$unknown?.length).toBe(1);
  });

  test('finds the details of errors, which no service names', async () => {
    const files = await filesOf({ case: 'fileContainingSymbol', value: 'google.rpc.BadRequest.FieldViolation' });
    expect(files.map(({ name }) => name)).toContain('google/rpc/error_details.proto');
  });

  test('finds a file by name', async () => {
    const files = await filesOf({ case: 'fileByFilename', value: 'grpc/health/v1/health.proto' });
    expect(files.map(({ name }) => name)).toEqual(['grpc/health/v1/health.proto']);
  });

  test('finds extensions by number and by type', async () => {
    const containingType = 'google.protobuf.FieldOptions';
    const [numbers] = await ask({ case: 'allExtensionNumbersOfType', value: containingType });
    expect(numbers?.messageResponse).toMatchObject({
      value: { baseTypeName: containingType, extensionNumber: [1159, 1160] },
    });
    const value = { containingType, extensionNumber: 1159 };
    expect((await filesOf({ case: 'fileContainingExtension', value }))[0]?.name).toBe('buf/validate/validate.proto');
  });

  test('sends a file it was asked for again, but its needs only once', async () => {
    const question: Question = { case: 'fileContainingSymbol', value: 'weft.test.v1.EchoService' };
    const [first, second] = await ask(question, question);
    const count = (answer: typeof first) =>
      answer?.messageResponse.case === 'fileDescriptorResponse'
        ? answer.messageResponse.value.fileDescriptorProto.length
        : 0;
    expect(count(first)).toBeGreaterThan(1);
    expect(count(second)).toBe(1);
  });

  test.each<Question>([
    { case: 'fileByFilename', value: 'no.proto' },
    { case: 'fileContainingSymbol', value: 'no.Symbol' },
    { case: 'fileContainingExtension', value: { containingType: 'no.Type', extensionNumber: 1 } },
    { case: 'allExtensionNumbersOfType', value: 'no.Type' },
  ])('says what it does not know, and goes on: $case', async (question) => {
    const [unknown, known] = await ask(question, { case: 'listServices', value: '' });
    expect(unknown?.messageResponse).toMatchObject({ case: 'errorResponse', value: { errorCode: Code.NotFound } });
    expect(known?.messageResponse.case).toBe('listServicesResponse');
  });
});
