/**
 * Message types for the tests of the codec that hold every kind of field there is, and the names that are hard on
 * properties: once in proto3, once in proto2 with defaults, and once in an edition with closed enums and groups.
 */

import { create, createFileRegistry, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { protoCamelCase } from '@bufbuild/protobuf/reflect';
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  Edition,
  type EnumDescriptorProtoSchema,
  FeatureSet_EnumType,
  FeatureSet_FieldPresence,
  FeatureSet_MessageEncoding,
  FeatureSet_Utf8Validation,
  FieldDescriptorProtoSchema,
  FieldOptions_JSType,
  FileDescriptorProtoSchema,
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  FieldDescriptorProto_Label as Label,
  MessageOptionsSchema,
  OneofDescriptorProtoSchema,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';

type Field = MessageInitShape<typeof FieldDescriptorProtoSchema>;
type EnumProto = MessageInitShape<typeof EnumDescriptorProtoSchema>;

const IMPORTS = [
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_timestamp,
  file_google_protobuf_struct,
  file_google_protobuf_wrappers,
];
/** The scalar types by their name in a .proto file. */
const SCALARS: Readonly<Record<string, Type>> = {
  double: Type.DOUBLE,
  float: Type.FLOAT,
  int32: Type.INT32,
  int64: Type.INT64,
  uint32: Type.UINT32,
  uint64: Type.UINT64,
  sint32: Type.SINT32,
  sint64: Type.SINT64,
  fixed32: Type.FIXED32,
  fixed64: Type.FIXED64,
  sfixed32: Type.SFIXED32,
  sfixed64: Type.SFIXED64,
  bool: Type.BOOL,
  string: Type.STRING,
  bytes: Type.BYTES,
};
const KEYS = Object.entries(SCALARS).filter(([name]) => !['double', 'float', 'bytes'].includes(name));
const LONGS = Object.entries(SCALARS).filter(([name]) => name.endsWith('64'));
const WELL_KNOWN = ['Timestamp', 'Duration', 'FieldMask'] as const;

/** Numbers its fields as they come, or as asked; the later numbers take tags of two and five bytes. */
class Message {
  readonly proto: DescriptorProto;
  readonly #scope: string;
  #next = 1;

  constructor(scope: string, name: string) {
    this.#scope = `${scope}.${name}`;
    this.proto = create(DescriptorProtoSchema, { name });
  }

  add(name: string, type: Type | string, more: Field = {}): this {
    this.proto.field.push(
      create(FieldDescriptorProtoSchema, {
        name,
        jsonName: protoCamelCase(name),
        number: this.#next++,
        label: Label.OPTIONAL,
        type: typeof type === 'number' ? type : Type.MESSAGE,
        typeName: typeof type === 'number' ? '' : type,
        ...more,
      }),
    );
    return this;
  }

  from(number: number): this {
    this.#next = number;
    return this;
  }

  map(name: string, key: Type, value: Type | string, more: Field = {}): this {
    const entry = new Message('', `${name.charAt(0).toUpperCase()}${protoCamelCase(name).slice(1)}Entry`);
    entry.add('key', key).add('value', value, more);
    entry.proto.options = create(MessageOptionsSchema, { mapEntry: true });
    this.proto.nestedType.push(entry.proto);
    return this.add(name, `${this.#scope}.${entry.proto.name}`, { label: Label.REPEATED });
  }

  optional(name: string, type: Type, more: Field = {}): this {
    const oneofIndex = this.proto.oneofDecl.push(create(OneofDescriptorProtoSchema, { name: `_${name}` })) - 1;
    return this.add(name, type, { proto3Optional: true, oneofIndex, ...more });
  }
}

const LEVEL = {
  name: 'Level',
  value: [
    { name: 'LEVEL_NONE', number: 0 },
    { name: 'LEVEL_LOW', number: 1 },
    { name: 'LEVEL_HIGH', number: 2 },
    { name: 'LEVEL_TOP', number: 2 },
    { name: 'LEVEL_BELOW', number: -1 },
  ],
  options: { allowAlias: true },
} satisfies EnumProto;

function proto3(): DescMessage[] {
  const scope = '.weft.codec.v1';
  const message = new Message(scope, 'EveryKind');
  const level = { typeName: `${scope}.Level` };
  const repeated = { label: Label.REPEATED };
  message.proto.oneofDecl.push(create(OneofDescriptorProtoSchema, { name: 'choice' }));
  for (const [name, type] of Object.entries(SCALARS)) {
    message
      .add(`a_${name}`, type)
      .add(`some_${name}`, type, repeated)
      .add(`in_${name}`, type, { oneofIndex: 0 })
      .map(`map_${name}`, Type.STRING, type);
    if (type !== Type.STRING && type !== Type.BYTES) {
      message.add(`loose_${name}`, type, { ...repeated, options: { packed: false } });
    }
  }
  for (const [name, type] of LONGS) {
    const options = { jstype: FieldOptions_JSType.JS_STRING };
    message.add(`text_${name}`, type, { options }).add(`texts_${name}`, type, { ...repeated, options });
  }
  message
    .add('a_level', Type.ENUM, level)
    .add('some_level', Type.ENUM, { ...level, ...repeated })
    .add('loose_level', Type.ENUM, { ...level, ...repeated, options: { packed: false } })
    .add('in_level', Type.ENUM, { ...level, oneofIndex: 0 })
    .map('map_level', Type.STRING, Type.ENUM, level)
    .from(16_000)
    .add('child', `${scope}.EveryKind`)
    .add('children', `${scope}.EveryKind`, repeated)
    .add('in_child', `${scope}.EveryKind`, { oneofIndex: 0 })
    .map('map_child', Type.INT64, `${scope}.EveryKind`)
    .add('empty', `${scope}.Empty`);
  for (const [name, key] of KEYS) {
    message.map(`by_${name}`, key, Type.STRING);
  }
  for (const name of WELL_KNOWN) {
    const type = `.google.protobuf.${name}`;
    message
      .add(`a_${name}`, type)
      .add(`some_${name}`, type, repeated)
      .add(`in_${name}`, type, { oneofIndex: 0 })
      .map(`map_${name}`, Type.STRING, type);
  }
  message
    .from(536_870_000)
    .add('constructor', Type.STRING)
    .add('has_own_property', Type.STRING, { jsonName: 'hasOwnProperty' })
    .add('toString', Type.INT32)
    .add('renamed', Type.STRING, { jsonName: 'an "other" name\u2028é' })
    .add('__proto__', Type.STRING, { jsonName: '__proto__' });
  for (const [name, type] of Object.entries(SCALARS)) {
    message.optional(`maybe_${name}`, type);
  }
  message.optional('maybe_level', Type.ENUM, level);

  const special = new Message(scope, 'Special').add('name', Type.STRING);
  for (const name of ['StringValue', 'Int64Value', 'Struct', 'Value', 'ListValue']) {
    special.add(`a_${name}`, `.google.protobuf.${name}`).add(`some_${name}`, `.google.protobuf.${name}`, repeated);
  }
  // The special type is out of sight, two levels down.
  const outer = new Message(scope, 'HoldsSpecial').add('name', Type.STRING).add('special', `${scope}.Special`);
  const small = new Message(scope, 'Small')
    .add('name', Type.STRING)
    .add('size', Type.INT32)
    .add('ids', Type.INT64, repeated);
  // Names that an object would put first, and a name in JSON that is another field's name in the .proto file.
  const named = new Message(scope, 'Named')
    .add('name', Type.STRING)
    .add('ten', Type.STRING, { jsonName: '10' })
    .add('nine', Type.INT32, { jsonName: '9' });
  const crossed = new Message(scope, 'Crossed')
    .add('one', Type.STRING, { jsonName: 'two' })
    .add('two', Type.STRING, { jsonName: 'one' });
  const messages = [message, new Message(scope, 'Empty'), special, outer, small, named, crossed];
  return describe('proto3', scope, messages, [LEVEL], {});
}

function proto2(): DescMessage[] {
  const scope = '.weft.codec.old';
  const level = { typeName: `${scope}.Level` };
  const message = new Message(scope, 'Old')
    .add('name', Type.STRING, { defaultValue: 'unnamed' })
    .add('count', Type.INT32, { defaultValue: '7' })
    .add('big', Type.INT64, { defaultValue: '-9', options: { jstype: FieldOptions_JSType.JS_STRING } })
    .add('data', Type.BYTES, { defaultValue: 'abc' })
    .add('plain', Type.STRING)
    .add('level', Type.ENUM, { ...level, defaultValue: 'LEVEL_HIGH' })
    .add('levels', Type.ENUM, { ...level, label: Label.REPEATED })
    .add('child', `${scope}.Old`)
    .map('map_level', Type.STRING, Type.ENUM, level);
  const required = new Message(scope, 'Required')
    .add('name', Type.STRING, { label: Label.REQUIRED })
    .add('child', `${scope}.Required`);
  const group = new Message(scope, 'Group').add('name', Type.STRING);
  const grouped = new Message(scope, 'Grouped')
    .add('group', Type.GROUP, { typeName: `${scope}.Group` })
    .add('groups', Type.GROUP, { typeName: `${scope}.Group`, label: Label.REPEATED });
  return describe('proto2', scope, [message, required, group, grouped], [LEVEL], {});
}

function edition(): DescMessage[] {
  const scope = '.weft.codec.edition';
  const level = { typeName: `${scope}.Level` };
  const implicit = { features: { fieldPresence: FeatureSet_FieldPresence.IMPLICIT } };
  const message = new Message(scope, 'Edition')
    .add('name', Type.STRING)
    .add('unchecked', Type.STRING, { options: { features: { utf8Validation: FeatureSet_Utf8Validation.NONE } } })
    .add('count', Type.INT32)
    .add('implicit', Type.SINT64, { options: implicit })
    .add('data', Type.BYTES)
    .add('level', Type.ENUM, level)
    .add('levels', Type.ENUM, { ...level, label: Label.REPEATED })
    .add('child', `${scope}.Edition`);
  const flat = new Message(scope, 'Flat')
    .add('name', Type.STRING, { options: implicit })
    .add('unchecked', Type.STRING, {
      options: { features: { ...implicit.features, utf8Validation: FeatureSet_Utf8Validation.NONE } },
    })
    .add('levels', Type.ENUM, { ...level, label: Label.REPEATED })
    .add('child', `${scope}.Flat`)
    .add('in_level', Type.ENUM, { ...level, oneofIndex: 0 })
    .add('in_child', `${scope}.Flat`, { oneofIndex: 0 });
  flat.proto.oneofDecl.push(create(OneofDescriptorProtoSchema, { name: 'choice' }));
  const delimited = new Message(scope, 'Delimited').add('child', `${scope}.Flat`, {
    options: { features: { messageEncoding: FeatureSet_MessageEncoding.DELIMITED } },
  });
  const closed = { ...LEVEL, options: { ...LEVEL.options, features: { enumType: FeatureSet_EnumType.CLOSED } } };
  return describe('editions', scope, [message, flat, delimited], [closed], { edition: Edition.EDITION_2023 });
}

function describe(
  syntax: string,
  scope: string,
  messages: readonly Message[],
  enumType: EnumProto[],
  more: MessageInitShape<typeof FileDescriptorProtoSchema>,
): DescMessage[] {
  const name = `weft/codec/${syntax}.proto`;
  const proto = create(FileDescriptorProtoSchema, {
    name,
    package: scope.slice(1),
    syntax,
    dependency: IMPORTS.map((file) => file.proto.name),
    messageType: messages.map((message) => message.proto),
    enumType,
    ...more,
  });
  const file = createFileRegistry(proto, (wanted) =>
    IMPORTS.find(({ proto: { name: known } }) => known === wanted),
  ).getFile(name);
  if (file === undefined) {
    throw new Error(`${name} is not in the registry that was made from it`);
  }
  return [...file.messages];
}

/** The types, all of them top-level. */
export const everyKind: readonly DescMessage[] = [...proto3(), ...proto2(), ...edition()];
