/** What protovalidate's options say of a field, as plain data under their Protobuf names: `{required: true, string: {min_len: '1'}}`. */
import {
  type DescExtension,
  type DescField,
  type DescMessage,
  getExtension,
  hasExtension,
  type JsonObject,
  type Message,
  toJson,
} from '@bufbuild/protobuf';

/** The rules of one field, or undefined when it has none. `option` is `buf.validate.field`. */
export function fieldRules(field: DescField, option: DescExtension | undefined): JsonObject | undefined {
  const options = field.proto.options;
  if (!option?.message || !options || !hasExtension(options, option)) return undefined;
  return toJson(option.message, getExtension(options, option) as Message, { useProtoFieldName: true }) as JsonObject;
}

/** Whether validation refuses a request without `request_id`: the field is `required`, has a least length, or is a UUID. */
export function insistsOnRequestId(request: DescMessage, option: DescExtension | undefined): boolean {
  const field = request.fields.find(({ name }) => name === 'request_id');
  const rules = field && fieldRules(field, option);
  if (!rules) return false;
  const text = (rules.string ?? {}) as JsonObject;
  return rules.required === true || Number(text.min_len ?? 0) > 0 || Number(text.len ?? 0) > 0 || text.uuid === true;
}
