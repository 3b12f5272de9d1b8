/**
 * Builds the descriptors of the few public protocols that the runtime speaks itself (gRPC health, reflection, google.rpc
 * error details), so that no third-party text is copied into the tree and `npm run generate` need not know of them.
 *
 * A field is written as in a .proto file, number first: `'1 string'`, `'2 repeated bytes'`, `'3 map<string, string>'`,
 * `'4 .google.protobuf.Duration'`, `'5 enum .pkg.Enum'`, `'6 string in request'` for a member of the oneof `request`.
 */

import { create, createFileRegistry, type DescFile } from '@bufbuild/protobuf';
import { protoCamelCase } from '@bufbuild/protobuf/reflect';
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  EnumDescriptorProtoSchema,
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  MessageOptionsSchema,
  OneofDescriptorProtoSchema,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';

/** A message: its fields by name, and what is declared inside it. */
export type MessageSpec = {
  readonly fields?: Readonly<Record<string, string>>;
  readonly messages?: Readonly<Record<string, MessageSpec>>;
  readonly enums?: Readonly<Record<string, Readonly<Record<string, number>>>>;
};

/** An RPC: request and response type, `stream ` before either when it is streamed. */
export type RpcSpec = { readonly request: string; readonly response: string };

/** A file of messages and services. */
export type FileSpec = {
  readonly name: string;
  readonly package: string;
  readonly imports?: readonly DescFile[];
  readonly messages: Readonly<Record<string, MessageSpec>>;
  readonly services?: Readonly<Record<string, Readonly<Record<string, RpcSpec>>>>;
};

const SCALARS: Readonly<Record<string, Type>> = {
  string: Type.STRING,
  bytes: Type.BYTES,
  bool: Type.BOOL,
  int32: Type.INT32,
  int64: Type.INT64,
  uint32: Type.UINT32,
  fixed64: Type.FIXED64,
  double: Type.DOUBLE,
};

const FIELD = /^(?<number>\d+) (?<repeated>repeated )?(?<type>enum \S+|map<string, \S+>|\S+)(?: in (?<oneof>\w+))?$/;

/**
 * Makes a file descriptor from its specification.
 *
 * @throws Error when a field is not written as the head of this file says.
 */
export function describeFile(spec: FileSpec): DescFile {
  const imports = spec.imports ?? [];
  const proto = create(FileDescriptorProtoSchema, {
    name: spec.name,
    package: spec.package,
    syntax: 'proto3',
    dependency: imports.map((file) => file.proto.name),
    messageType: Object.entries(spec.messages).map(([name, message]) =>
      describeMessage(`.${spec.package}`, name, message),
    ),
    service: Object.entries(spec.services ?? {}).map(([name, rpcs]) => ({
      name,
      method: Object.entries(rpcs).map(([rpc, { request, response }]) => ({
        name: rpc,
        inputType: request.replace('stream ', ''),
        clientStreaming: request.startsWith('stream '),
        outputType: response.replace('stream ', ''),
        serverStreaming: response.startsWith('stream '),
      })),
    })),
  });
  const registry = createFileRegistry(proto, (name) => imports.find((file) => file.proto.name === name));
  const file = registry.getFile(spec.name);
  if (file === undefined) {
    throw new Error(`${spec.name} is not in the registry that was made from it`);
  }
  return file;
}

function describeMessage(scope: string, name: string, spec: MessageSpec): DescriptorProto {
  const message = create(DescriptorProtoSchema, {
    name,
    nestedType: Object.entries(spec.messages ?? {}).map(([nested, inner]) =>
      describeMessage(`${scope}.${name}`, nested, inner),
    ),
    enumType: Object.entries(spec.enums ?? {}).map(([enumName, values]) =>
      create(EnumDescriptorProtoSchema, {
        name: enumName,
        value: Object.entries(values).map(([value, number]) => ({ name: value, number })),
      }),
    ),
  });
  for (const [fieldName, text] of Object.entries(spec.fields ?? {})) {
    message.field.push(describeField(`${scope}.${name}`, message, fieldName, text));
  }
  return message;
}

function describeField(scope: string, message: DescriptorProto, name: string, text: string): FieldDescriptorProto {
  const parts = FIELD.exec(text)?.groups;
  if (parts?.type === undefined) {
    throw new Error(`${scope}.${name}: cannot read the field "${text}"`);
  }
  const field = create(FieldDescriptorProtoSchema, {
    name,
    jsonName: protoCamelCase(name),
    number: Number(parts.number),
    label: parts.repeated === undefined ? Label.OPTIONAL : Label.REPEATED,
  });
  if (parts.oneof !== undefined) {
    field.oneofIndex = oneofIndex(message, parts.oneof);
  }
  const scalar = SCALARS[parts.type];
  if (scalar !== undefined) {
    field.type = scalar;
  } else if (parts.type.startsWith('map<')) {
    field.type = Type.MESSAGE;
    field.label = Label.REPEATED;
    field.typeName = `${scope}.${mapEntry(message, name, parts.type.slice('map<string, '.length, -1))}`;
  } else if (parts.type.startsWith('enum ')) {
    field.type = Type.ENUM;
    field.typeName = parts.type.slice('enum '.length);
  } else {
    field.type = Type.MESSAGE;
    field.typeName = parts.type;
  }
  return field;
}

function oneofIndex(message: DescriptorProto, name: string): number {
  const index = message.oneofDecl.findIndex((oneof) => oneof.name === name);
  return index >= 0 ? index : message.oneofDecl.push(create(OneofDescriptorProtoSchema, { name })) - 1;
}

/** A map field is a repeated message of key and value, nested beside the field. */
function mapEntry(message: DescriptorProto, fieldName: string, valueType: string): string {
  const camel = protoCamelCase(fieldName);
  const name = `${camel.charAt(0).toUpperCase()}${camel.slice(1)}Entry`;
  const entry = describeMessage('', name, { fields: { key: '1 string', value: `2 ${valueType}` } });
  entry.options = create(MessageOptionsSchema, { mapEntry: true });
  message.nestedType.push(entry);
  return name;
}
