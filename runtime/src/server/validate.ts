/**
 * Refuses requests that break the rules of their contract (protovalidate), each message of a client stream included, with
 * INVALID_ARGUMENT, reason INVALID_FIELD and the fields at fault.
 */

import { create, type DescMessage, type DescService, type MessageShape } from '@bufbuild/protobuf';
import { pathToString } from '@bufbuild/protobuf/reflect';
import { createValidator, type Violation } from '@bufbuild/protovalidate';
import type { Interceptor } from '@connectrpc/connect';
import { fail } from '../errors/fail.ts';
import { surelyKeepsRules } from './rules/quick-check.ts';

/** Most violations that are listed: the list travels in a header, and headers are bounded. */
const VIOLATIONS_MAX = 20;
const DESCRIPTION_MAX_CHARACTERS = 200;

/** Rules are compiled once per message type and kept here. */
const validator = createValidator();

/**
 * Compiles the rules of a service's requests.
 *
 * @throws Error for a rule that cannot be compiled, so that it is found at start rather than by a caller.
 */
export function compileRules(service: DescService): void {
  for (const method of service.methods) {
    const result = validator.validate(method.input, create(method.input));
    if (result.kind === 'error' && result.error.name === 'CompilationError') {
      throw new Error(`the validation rules of ${method.input.typeName} cannot be compiled`, { cause: result.error });
    }
  }
}

/** Validates every request message before the handler sees it. */
export const validate: Interceptor = (next) => (request) => {
  if (!request.stream) {
    check(request.method.input, request.message);
    return next(request);
  }
  return next({ ...request, message: checkEach(request.method.input, request.message) });
};

/**
 * Checks one message, as the server does with requests.
 *
 * @throws INVALID_FIELD
 */
export function check<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): void {
  if (surelyKeepsRules(schema, message)) {
    return;
  }
  const result = validator.validate(schema, message);
  if (result.kind === 'error') {
    throw result.error;
  }
  if (result.kind === 'invalid') {
    throw invalid(result.violations);
  }
}

async function* checkEach<Desc extends DescMessage>(schema: Desc, messages: AsyncIterable<MessageShape<Desc>>) {
  for await (const message of messages) {
    check(schema, message);
    yield message;
  }
}

function invalid(violations: readonly Violation[]) {
  const fieldViolations = violations.slice(0, VIOLATIONS_MAX).map((violation) => ({
    field: pathToString(violation.field),
    description: violation.message.slice(0, DESCRIPTION_MAX_CHARACTERS),
    reason: violation.ruleId,
  }));
  const [first] = fieldViolations;
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : '';
  const message = first === undefined ? undefined : `${first.field || 'request'}: ${first.description}${more}`;
  return fail('INVALID_FIELD', message, {}, { fieldViolations });
}
