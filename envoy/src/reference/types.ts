/** Messages and enums: fields with their types, bounds and meaning. */
import type { DescEnum, DescExtension, DescField, DescMessage } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import { commentOf } from '../contract/comment.ts';
import { fieldRules } from '../contract/validation.ts';
import { boundsInWords } from './bounds.ts';
import { anchorOf, paragraphs, table } from './markdown.ts';

/** What all pages need to know. */
export interface Context {
  /** `buf.validate.field`, where the contracts use it. */
  readonly validation: DescExtension | undefined;
  /** Packages that have a page. */
  readonly packages: ReadonlySet<string>;
}

/** The table of a message's fields. */
export function fieldsTable(message: DescMessage, page: string, context: Context): string {
  if (message.fields.length === 0) return 'No fields.';
  const rows = message.fields.map((field) => [
    `\`${field.name}\``,
    typeInWords(field, page, context),
    [...oneofInWords(field), ...boundsInWords(fieldRules(field, context.validation))].join('; '),
    commentOf(field),
  ]);
  return table(['Field', 'Type', 'Bounds', 'Meaning'], rows);
}

/** The section of a message, with the ones inside it behind. */
export function messageSection(message: DescMessage, page: string, context: Context): string {
  const inner = message.nestedMessages.map((nested) => messageSection(nested, page, context));
  const enums = message.nestedEnums.map(enumSection);
  return paragraphs(
    `### ${localName(message)}`,
    commentOf(message),
    fieldsTable(message, page, context),
    ...inner,
    ...enums,
  );
}

export function enumSection(desc: DescEnum): string {
  const rows = desc.values.map((value) => [`\`${value.name}\``, String(value.number), commentOf(value)]);
  return paragraphs(`### ${localName(desc)}`, commentOf(desc), table(['Value', 'Number', 'Meaning'], rows));
}

function typeInWords(field: DescField, page: string, context: Context): string {
  if (field.fieldKind === 'map') {
    const value = field.message ?? field.enum;
    return `map of ${ScalarType[field.mapKey].toLowerCase()} to ${value ? link(value, page, context) : scalar(field)}`;
  }
  const type = field.message ?? field.enum;
  const one = type ? link(type, page, context) : scalar(field);
  return field.fieldKind === 'list' ? `list of ${one}` : one;
}

const scalar = (field: DescField): string => (field.scalar ? ScalarType[field.scalar].toLowerCase() : '');

function oneofInWords(field: DescField): string[] {
  return field.oneof ? [`one of \`${field.oneof.name}\``] : [];
}

function link(desc: DescMessage | DescEnum, page: string, context: Context): string {
  const packageName = desc.file.proto.package;
  if (!context.packages.has(packageName)) return desc.typeName;
  const file = packageName === page ? '' : `${packageName}.md`;
  return `[${localName(desc)}](${file}#${anchorOf(localName(desc))})`;
}

const localName = (desc: DescMessage | DescEnum): string => desc.typeName.slice(desc.file.proto.package.length + 1);
