/** What protovalidate's options say of a field, as plain data under their Protobuf names: `{required: true, string: {min_len: '1'}}`. */
import {
  type DescExtension,
  type DescField,
  type DescMessage,
  getExtension,
  hasExtension,
  type JsonObject,
  type Message,
  ScalarType,
  toJson,
} from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';

/** The rules of one field, or undefined when it has none. `option` is `buf.validate.field`. */
export function fieldRules(field: DescField, option: DescExtension | undefined): JsonObject | undefined {
  const options = field.proto.options;
  if (!option?.message || !options || !hasExtension(options, option)) return undefined;
  return toJson(option.message, getExtension(options, option) as Message, { useProtoFieldName: true }) as JsonObject;
}

/**
 * Whether validation refuses a request without `request_id`: the field is `required`, has a least length, or is a UUID. A field that can
 * be absent is not validated then, so that only `required` holds for it.
 */
export function insistsOnRequestId(request: DescMessage, option: DescExtension | undefined): boolean {
  const field = request.fields.find(({ name }) => name === 'request_id');
  const isText =
    field?.fieldKind === 'scalar' && (field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES);
  const rules = isText ? fieldRules(field, option) : undefined;
  if (!field || !rules || rules.ignore !== undefined) return false;
  if (rules.required === true) return true;
  if (field.oneof || field.presence !== FeatureSet_FieldPresence.IMPLICIT) return false;
  const { min_len: least = 0, len = 0, uuid } = (rules.string ?? rules.bytes ?? {}) as JsonObject;
  return Number(least) > 0 || Number(len) > 0 || uuid === true;
}
