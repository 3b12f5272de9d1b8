/**
 * Whether a message has rules to break (protovalidate). Most answers of "no" are found at start, so that no call pays for them.
 */

import type { DescExtension, DescMessage } from '@bufbuild/protobuf';
import { hasExtension } from '@bufbuild/protobuf';
import {
  field as fieldRules,
  message as messageRules,
  oneof as oneofRules,
} from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';

/** Whether a message, or any message within it, has a rule. */
export function hasRules(message: DescMessage, seen = new Set<DescMessage>()): boolean {
  if (seen.has(message)) {
    return false;
  }
  seen.add(message);
  return (
    isRuled(message.proto.options, messageRules) ||
    message.oneofs.some((oneof) => isRuled(oneof.proto.options, oneofRules)) ||
    message.fields.some((field) => {
      const nested =
        field.fieldKind === 'message' || field.fieldKind === 'list' || field.fieldKind === 'map'
          ? field.message
          : undefined;
      return isRuled(field.proto.options, fieldRules) || (nested !== undefined && hasRules(nested, seen));
    })
  );
}

function isRuled(options: Parameters<typeof hasExtension>[0] | undefined, rules: DescExtension): boolean {
  return options !== undefined && hasExtension(options, rules);
}
