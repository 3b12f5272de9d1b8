/**
 * The comment that stands before a declaration. @bufbuild/protoplugin has `getComments` for this, which goes through a whole file for
 * each declaration of it and brings the TypeScript compiler along; here each file is gone through once.
 */
import type { DescEnum, DescEnumValue, DescField, DescMessage, DescMethod, DescService } from '@bufbuild/protobuf';
import {
  EnumDescriptorProtoSchema as Enum,
  FileDescriptorProtoSchema as File,
  type FileDescriptorProto,
  DescriptorProtoSchema as Message,
  ServiceDescriptorProtoSchema as Service,
} from '@bufbuild/protobuf/wkt';

type Declaration = DescService | DescMethod | DescMessage | DescField | DescEnum | DescEnumValue;

/** Without the space after each comment marker; empty when there is none. */
export const commentOf = (desc: Declaration): string =>
  (commentsOf(fileOf(desc)).get(pathOf(desc).join('.')) ?? '')
    .replaceAll(/\r\n|[\r\u2028\u2029]/g, '\n')
    .replaceAll(/^ /gm, '')
    .trim();

const known = new WeakMap<FileDescriptorProto, ReadonlyMap<string, string>>();

/** Leading comments by the path of what they stand before. */
function commentsOf(file: FileDescriptorProto): ReadonlyMap<string, string> {
  const before = known.get(file);
  if (before) return before;
  const comments = new Map<string, string>();
  for (const { path, leadingComments } of file.sourceCodeInfo?.location ?? []) {
    const key = path.join('.');
    if (leadingComments !== '' && !comments.has(key)) comments.set(key, leadingComments);
  }
  known.set(file, comments);
  return comments;
}

const fileOf = (desc: Declaration): FileDescriptorProto => ('file' in desc ? desc.file.proto : fileOf(desc.parent));

/** Numbers of fields and indexes of lists in google/protobuf/descriptor.proto, from the file down. */
function pathOf(desc: Declaration): number[] {
  switch (desc.kind) {
    case 'service':
      return [File.field.service.number, desc.file.services.indexOf(desc)];
    case 'rpc':
      return [...pathOf(desc.parent), Service.field.method.number, desc.parent.methods.indexOf(desc)];
    case 'field':
      return [...pathOf(desc.parent), Message.field.field.number, desc.parent.proto.field.indexOf(desc.proto)];
    case 'enum_value':
      return [...pathOf(desc.parent), Enum.field.value.number, desc.parent.values.indexOf(desc)];
    case 'enum':
      return desc.parent
        ? [...pathOf(desc.parent), Message.field.enumType.number, desc.parent.proto.enumType.indexOf(desc.proto)]
        : [File.field.enumType.number, desc.file.proto.enumType.indexOf(desc.proto)];
    case 'message':
      return desc.parent
        ? [...pathOf(desc.parent), Message.field.nestedType.number, desc.parent.proto.nestedType.indexOf(desc.proto)]
        : [File.field.messageType.number, desc.file.proto.messageType.indexOf(desc.proto)];
  }
}
