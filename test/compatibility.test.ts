/**
 * An old client against a new server and a new client against an old one, over the whole contract and over the wire. The newer
 * contract is today's with something added everywhere: a field to every message, a value to every enum, an RPC to every service.
 * Validation is left out, so that messages may hold anything.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  create,
  createFileRegistry,
  type DescMessage,
  type DescMethod,
  type DescService,
  equals,
  type FileRegistry,
  fromBinary,
  fromJson,
  type Message,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  EnumValueDescriptorProtoSchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FieldDescriptorProtoSchema,
  type FileDescriptorSet,
  FileDescriptorSetSchema,
  MethodDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient, type ServiceImpl } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { policies } from '@weft/gen/weft/policy.ts';
import { connect } from '@weft/runtime/client/connect';
import { implement } from '@weft/runtime/server/implement';
import { type RunningServer, serve } from '@weft/runtime/server/serve';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Random, sample } from '../runtime/src/codec/sample.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const addedNumber = 536_870_000;
const addedValue = 97;

/** Today's contract without the rules of messages. */
function today(): FileDescriptorSet {
  const buf = spawnSync('buf', ['build', '--as-file-descriptor-set', '--output', '-'], {
    cwd: root,
    maxBuffer: 2 ** 28,
  });
  if (buf.status !== 0) throw new Error(`buf build: ${buf.stderr}`);
  const image = fromBinary(FileDescriptorSetSchema, buf.stdout);
  forEachMessage(image, (message) => {
    if (!message.options?.mapEntry) delete message.options;
    for (const field of message.field) delete field.options;
  });
  return image;
}

/** The same, with additions that no version of it has. */
function tomorrow(): FileDescriptorSet {
  const image = today();
  const add = (type: EnumDescriptorProto) =>
    type.value.push(create(EnumValueDescriptorProtoSchema, { name: `${type.name}_ADDED_LATER`, number: addedValue }));
  for (const file of oursIn(image)) {
    file.enumType.forEach(add);
    for (const service of file.service) {
      const [first] = service.method;
      service.method.push(
        create(MethodDescriptorProtoSchema, {
          name: 'AddedLater',
          inputType: first?.inputType ?? '',
          outputType: first?.outputType ?? '',
        }),
      );
    }
  }
  forEachMessage(image, (message) => {
    message.enumType.forEach(add);
    if (message.options?.mapEntry) return;
    const field = { name: 'added_later', jsonName: 'addedLater', number: addedNumber };
    const type = FieldDescriptorProto_Type.STRING;
    const label = FieldDescriptorProto_Label.OPTIONAL;
    message.field.push(create(FieldDescriptorProtoSchema, { ...field, type, label }));
  });
  return image;
}

const oursIn = ({ file }: FileDescriptorSet) => file.filter((proto) => /^weft\.(?!mesh\.)/.test(proto.package));

function forEachMessage(image: FileDescriptorSet, visit: (message: DescriptorProto) => void): void {
  const walk = (message: DescriptorProto): void => {
    visit(message);
    message.nestedType.forEach(walk);
  };
  for (const file of oursIn(image)) file.messageType.forEach(walk);
}

interface Version {
  readonly registry: FileRegistry;
  readonly server: RunningServer;
  /** What the server got with its last call. */
  readonly got: Message[];
  /** What it answers, by the full name of the RPC. */
  readonly answers: Map<string, Message>;
}

const versions: Version[] = [];
let old: Version;
let newer: Version;
beforeAll(async () => {
  old = await start(today());
  newer = await start(tomorrow());
}, 60_000);
afterAll(async () => {
  for (const { server } of versions) await server.close();
});

async function start(image: FileDescriptorSet): Promise<Version> {
  const registry = createFileRegistry(image);
  const got: Message[] = [];
  const answers = new Map<string, Message>();
  const services = rpcsOfToday.map(({ service }) => serviceOf(registry, service));
  const version: Version = {
    registry,
    got,
    answers,
    server: await serve({
      listen: '127.0.0.1:0',
      services: [...new Set(services)].map((service) => implement(service, implementationOf(service, got, answers))),
    }),
  };
  versions.push(version);
  return version;
}

/** Takes what comes, and answers with what was laid ready. */
function implementationOf(
  service: DescService,
  got: Message[],
  answers: Map<string, Message>,
): ServiceImpl<DescService> {
  const methods = service.methods.map((method) => {
    const answer = () => answers.get(`${service.typeName}/${method.name}`) ?? create(method.output);
    const unary = (request: Message) => {
      got.push(request);
      return answer();
    };
    const handlers = {
      unary,
      server_streaming: async function* (request: Message) {
        yield unary(request);
      },
      client_streaming: async (requests: AsyncIterable<Message>) => {
        for await (const request of requests) got.push(request);
        return answer();
      },
      bidi_streaming: async function* (requests: AsyncIterable<Message>) {
        for await (const request of requests) yield unary(request);
      },
    };
    return [method.localName, handlers[method.methodKind]];
  });
  return Object.fromEntries(methods);
}

function serviceOf(registry: FileRegistry, name: string): DescService {
  const service = registry.getService(name);
  if (!service) throw new Error(`there is no service ${name}`);
  return service;
}

const rpcsOfToday = Object.keys(policies).map((rpc) => {
  const [service = '', name = ''] = rpc.split('/');
  return { rpc, service, name };
});

/** A message that JSON can hold too, with something new everywhere where the version knows of it. */
function messageOf(desc: DescMessage, seed: number): Message {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    // By way of bytes, since a text that is no text has none.
    const message = fromBinary(desc, toBinary(desc, sample(desc, new Random(seed * 100 + attempt))));
    delete message.$unknown;
    if (isJson(desc, message)) return message;
  }
  throw new Error(`no message of ${desc.typeName} can be JSON`);
}

function isJson(desc: DescMessage, message: Message): boolean {
  try {
    fromJson(desc, toJson(desc, message));
    return true;
  } catch {
    return false;
  }
}

const protocols = ['gRPC', 'Connect'] as const;

/** Calls with a client of `version` the server at `address`; resolves with the one answer. */
async function call(
  method: DescMethod,
  address: string,
  protocol: (typeof protocols)[number],
  request: Message,
): Promise<Message> {
  const service = method.parent;
  const client: Record<string, (request: unknown) => unknown> =
    protocol === 'gRPC'
      ? connect(service, { egress: address })
      : createClient(
          service,
          createConnectTransport({ baseUrl: `http://${address}`, httpVersion: '2', useBinaryFormat: false }),
        );
  const isStream = method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming';
  const requests = async function* () {
    yield request;
  };
  const answer = client[method.localName]?.(isStream ? requests() : request);
  if (method.methodKind === 'unary' || method.methodKind === 'client_streaming') return (await answer) as Message;
  const messages: Message[] = [];
  for await (const message of answer as AsyncIterable<Message>) messages.push(message);
  expect(messages).toHaveLength(1);
  return messages[0] as Message;
}

/** The message as the other version should see it. */
function seenBy(
  reader: DescMessage,
  writer: DescMessage,
  message: Message,
  protocol: (typeof protocols)[number],
): Message {
  return protocol === 'gRPC'
    ? fromBinary(reader, toBinary(writer, message))
    : fromJson(reader, toJson(writer, message), { ignoreUnknownFields: true });
}

describe.each([
  ['a new client and an old server', () => [newer, old] as const],
  ['an old client and a new server', () => [old, newer] as const],
])('%s', (_, pair) => {
  test.each(rpcsOfToday)('$rpc', async ({ rpc, service, name }) => {
    const [client, server] = pair();
    const methodOf = ({ registry }: Version): DescMethod => {
      const method = serviceOf(registry, service).methods.find((candidate) => candidate.name === name);
      if (!method) throw new Error(`there is no ${rpc}`);
      return method;
    };
    const [mine, theirs] = [methodOf(client), methodOf(server)];
    for (const [index, protocol] of protocols.entries()) {
      const request = messageOf(mine.input, index + 1);
      const answer = messageOf(theirs.output, index + 7);
      server.answers.set(rpc, answer);
      server.got.length = 0;
      const answered = await call(mine, server.server.address, protocol, request);
      const [got] = server.got;
      expect(got && equals(theirs.input, got, seenBy(theirs.input, mine.input, request, protocol))).toBe(true);
      expect(equals(mine.output, answered, seenBy(mine.output, theirs.output, answer, protocol))).toBe(true);
      // What the old one does not know it hands on whole, where the protocol carries numbers.
      if (protocol === 'gRPC' && got) {
        const again = fromBinary(mine.input, toBinary(theirs.input, got));
        expect(equals(mine.input, again, fromBinary(mine.input, toBinary(mine.input, request)))).toBe(true);
      }
    }
  });
});

test('an RPC that an old server does not have yet is UNIMPLEMENTED', async () => {
  for (const service of new Set(rpcsOfToday.map((rpc) => rpc.service))) {
    const method = serviceOf(newer.registry, service).method.addedLater;
    if (!method) throw new Error(`${service} has no new RPC`);
    for (const protocol of protocols) {
      const failure = await call(method, old.server.address, protocol, create(method.input)).catch((error) => error);
      expect(ConnectError.from(failure).code).toBe(Code.Unimplemented);
    }
  }
});

test('the newer contract has something new in every message that is sent', () => {
  const fields = newer.registry.getMessage('weft.inventory.v1.GetItemRequest')?.fields.map(({ name }) => name);
  expect(fields).toContain('added_later');
  expect(old.registry.getMessage('weft.inventory.v1.GetItemRequest')?.fields.length).toBe((fields?.length ?? 0) - 1);
});
