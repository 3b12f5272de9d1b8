// Prints a file descriptor back into the text of a .proto file. It exists because buf compiles text and npm packages ship
// descriptors: with it, third-party protos need neither a schema registry nor a copy in this repository. It prints what
// descriptors of published protos hold (proto2 and proto3, options with extensions, extension and reserved ranges) and refuses
// what it does not know (groups, editions) rather than leave it out. Comments are not in such descriptors.
import {
  type DescField,
  type DescFile,
  type DescMessage,
  getExtension,
  type Message,
  ScalarType,
} from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import {
  type DescriptorProto,
  Edition,
  type EnumDescriptorProto,
  EnumOptionsSchema,
  EnumValueOptionsSchema,
  type FieldDescriptorProto,
  FieldOptionsSchema,
  FileOptionsSchema,
  FieldDescriptorProto_Label as Label,
  MessageOptionsSchema,
  OneofOptionsSchema,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';

const keywords: Partial<Record<Type, string>> = {
  [Type.DOUBLE]: 'double',
  [Type.FLOAT]: 'float',
  [Type.INT64]: 'int64',
  [Type.UINT64]: 'uint64',
  [Type.INT32]: 'int32',
  [Type.FIXED64]: 'fixed64',
  [Type.FIXED32]: 'fixed32',
  [Type.BOOL]: 'bool',
  [Type.STRING]: 'string',
  [Type.BYTES]: 'bytes',
  [Type.UINT32]: 'uint32',
  [Type.SFIXED32]: 'sfixed32',
  [Type.SFIXED64]: 'sfixed64',
  [Type.SINT32]: 'sint32',
  [Type.SINT64]: 'sint64',
};
const largestFieldNumber = 536_870_911;

/** The text of `file` as .proto source that compiles to the same descriptor. Throws on a construct it cannot print. */
export function printProto(file: DescFile): string {
  return new Printer(file).text();
}

class Printer {
  readonly #file: DescFile;
  readonly #proto2: boolean;
  readonly #lines: string[] = [];
  #indent = 0;

  constructor(file: DescFile) {
    if (file.edition !== Edition.EDITION_PROTO2 && file.edition !== Edition.EDITION_PROTO3) {
      throw new Error(`${file.proto.name}: only proto2 and proto3 can be printed`);
    }
    this.#file = file;
    this.#proto2 = file.edition === Edition.EDITION_PROTO2;
  }

  text(): string {
    const { proto } = this.#file;
    this.#line(`// Printed from the descriptor in an npm package by "npm run generate". Do not edit.`);
    this.#line(`syntax = "${this.#proto2 ? 'proto2' : 'proto3'}";`);
    this.#line(`package ${proto.package};`);
    for (const [index, path] of proto.dependency.entries()) {
      this.#line(`import ${proto.publicDependency.includes(index) ? 'public ' : ''}${quote(path)};`);
    }
    for (const option of this.#options(FileOptionsSchema, proto.options)) this.#line(`option ${option};`);
    this.#extensions(proto.extension);
    for (const message of proto.messageType) this.#message(message);
    for (const enumeration of proto.enumType) this.#enum(enumeration);
    if (proto.service.length > 0) throw new Error(`${proto.name}: services cannot be printed`);
    return `${this.#lines.join('\n')}\n`;
  }

  #line(text: string): void {
    this.#lines.push(`${'  '.repeat(this.#indent)}${text}`);
  }

  #block(head: string, body: () => void): void {
    this.#line(`${head} {`);
    this.#indent += 1;
    body();
    this.#indent -= 1;
    this.#line('}');
  }

  #extensions(extensions: FieldDescriptorProto[]): void {
    for (const extension of extensions) {
      this.#block(`extend ${extension.extendee}`, () => this.#field(extension, undefined));
    }
  }

  #message(message: DescriptorProto): void {
    this.#block(`message ${message.name}`, () => {
      for (const option of this.#options(MessageOptionsSchema, message.options)) this.#line(`option ${option};`);
      const printed = new Set<number>();
      for (const field of message.field) {
        const index = field.oneofIndex;
        if (!Object.hasOwn(field, 'oneofIndex') || field.proto3Optional) {
          this.#field(field, message);
        } else if (!printed.has(index)) {
          printed.add(index);
          this.#oneof(message, index);
        }
      }
      for (const range of message.extensionRange) this.#line(`extensions ${range.start} to ${end(range.end - 1)};`);
      for (const range of message.reservedRange) this.#line(`reserved ${range.start} to ${end(range.end - 1)};`);
      for (const name of message.reservedName) this.#line(`reserved ${quote(name)};`);
      for (const nested of message.nestedType) if (nested.options?.mapEntry !== true) this.#message(nested);
      for (const nested of message.enumType) this.#enum(nested);
      this.#extensions(message.extension);
    });
  }

  #oneof(message: DescriptorProto, index: number): void {
    const oneof = message.oneofDecl[index];
    this.#block(`oneof ${oneof?.name}`, () => {
      for (const option of this.#options(OneofOptionsSchema, oneof?.options)) this.#line(`option ${option};`);
      for (const field of message.field) {
        if (Object.hasOwn(field, 'oneofIndex') && field.oneofIndex === index) this.#field(field, message, true);
      }
    });
  }

  #field(field: FieldDescriptorProto, parent: DescriptorProto | undefined, inOneof = false): void {
    const map = parent?.nestedType.find(
      (n) => n.options?.mapEntry && field.typeName.endsWith(`.${parent.name}.${n.name}`),
    );
    const options = this.#options(FieldOptionsSchema, field.options);
    if (this.#proto2 && field.defaultValue !== '') {
      options.unshift(`default = ${field.type === Type.STRING ? quote(field.defaultValue) : field.defaultValue}`);
    }
    const suffix = options.length > 0 ? ` [${options.join(', ')}]` : '';
    const [key, value] = map?.field ?? [];
    const type = key && value ? `map<${typeOf(key)}, ${typeOf(value)}>` : typeOf(field);
    const label = inOneof || map ? '' : this.#label(field);
    this.#line(`${label}${type} ${field.name} = ${field.number}${suffix};`);
  }

  #label(field: FieldDescriptorProto): string {
    if (field.label === Label.REPEATED) return 'repeated ';
    if (field.label === Label.REQUIRED) return 'required ';
    return this.#proto2 || field.proto3Optional ? 'optional ' : '';
  }

  #enum(enumeration: EnumDescriptorProto): void {
    this.#block(`enum ${enumeration.name}`, () => {
      for (const option of this.#options(EnumOptionsSchema, enumeration.options)) this.#line(`option ${option};`);
      for (const value of enumeration.value) {
        const options = this.#options(EnumValueOptionsSchema, value.options);
        this.#line(`${value.name} = ${value.number}${options.length > 0 ? ` [${options.join(', ')}]` : ''};`);
      }
      for (const range of enumeration.reservedRange) this.#line(`reserved ${range.start} to ${range.end};`);
      for (const name of enumeration.reservedName) this.#line(`reserved ${quote(name)};`);
    });
  }

  /** `name = value` for each option that is set, extensions of this same file included. */
  #options(schema: DescMessage, options: Message | undefined): string[] {
    if (!options) return [];
    const message = reflect(schema, options);
    const known = message.sortedFields
      .filter((f) => message.isSet(f))
      .map((f) => `${f.name} = ${fieldText(message, f)}`);
    const seen = new Set((options.$unknown ?? []).map((field) => field.no));
    const own = this.#file.extensions.filter((e) => e.extendee.typeName === schema.typeName && seen.has(e.number));
    if (own.length !== seen.size)
      throw new Error(`${this.#file.proto.name}: an option of ${schema.name} is of another file`);
    const extended = own.map((e) => {
      if (e.fieldKind !== 'message') throw new Error(`${e.typeName}: only options that are messages can be printed`);
      return `(${e.typeName}) = ${messageText(reflect(e.message, getExtension(options, e) as Message))}`;
    });
    return [...known, ...extended];
  }
}

const end = (last: number): string => (last >= largestFieldNumber ? 'max' : String(last));

function typeOf(field: FieldDescriptorProto): string {
  if (field.type === Type.MESSAGE || field.type === Type.ENUM) return field.typeName;
  const keyword = keywords[field.type];
  if (!keyword) throw new Error(`${field.name}: type ${Type[field.type]} cannot be printed`);
  return keyword;
}

/** A message in the text format, as option values are written. */
function messageText(message: ReflectMessage): string {
  const parts = message.sortedFields.filter((f) => message.isSet(f)).map((f) => `${f.name}: ${fieldText(message, f)}`);
  return `{ ${parts.join(', ')} }`;
}

function fieldText(message: ReflectMessage, field: DescField): string {
  if (field.fieldKind === 'list')
    return `[${[...message.get(field)].map((item) => valueText(field, item)).join(', ')}]`;
  if (field.fieldKind === 'map') throw new Error(`${field.name}: a map in an option cannot be printed`);
  return valueText(field, message.get(field));
}

function valueText(field: DescField, value: unknown): string {
  if (field.message) return messageText(value as ReflectMessage);
  if (field.enum) return field.enum.value[Number(value)]?.name ?? String(value);
  if (field.scalar === ScalarType.STRING) return quote(String(value));
  if (field.scalar === ScalarType.BYTES) throw new Error(`${field.name}: bytes in an option cannot be printed`);
  return String(value);
}

/** A string literal of the Protobuf language: JSON's escapes are a subset of it. */
const quote = (text: string): string => JSON.stringify(text);
