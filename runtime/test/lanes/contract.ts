/**
 * The contract that both lanes are held to: one RPC that may have side effects, one that has none and so may be called by
 * Connect's GET, and one that answers with a stream; with a rule to break and a field of each kind of length.
 */

import { create, createFileRegistry, type Message, setExtension } from '@bufbuild/protobuf';
import { type GenMessage, type GenService, messageDesc, serviceDesc } from '@bufbuild/protobuf/codegenv2';
import { FieldOptionsSchema, MethodOptions_IdempotencyLevel, MethodOptionsSchema } from '@bufbuild/protobuf/wkt';
import {
  FieldRulesSchema,
  field as fieldRules,
  file_buf_validate_validate,
} from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import type { PolicyTable } from '../../src/policy.ts';
import { describeFile } from '../../src/wire/describe.ts';

export type Question = Message<'weft.test.v1.Question'> & {
  text: string;
  /** 0 to 1,000. */
  count: number;
  data: Uint8Array;
};
export type Answer = Message<'weft.test.v1.Answer'> & { text: string; count: number; data: Uint8Array };

const FIELDS = { text: '1 string', count: '2 int32', data: '3 bytes' };
const COUNT_MAX = 1_000;

const plain = describeFile({
  name: 'weft/test/v1/lanes.proto',
  package: 'weft.test.v1',
  imports: [file_buf_validate_validate],
  messages: { Question: { fields: FIELDS }, Answer: { fields: FIELDS } },
  services: {
    LanesService: {
      Ask: { request: '.weft.test.v1.Question', response: '.weft.test.v1.Answer' },
      Look: { request: '.weft.test.v1.Question', response: '.weft.test.v1.Answer' },
      Watch: { request: '.weft.test.v1.Question', response: 'stream .weft.test.v1.Answer' },
    },
  },
});

/** Adds what the describer of plain protocols does not know: a rule, and that `Look` has no side effects. */
function withOptions() {
  const { proto, dependencies } = plain;
  const count = proto.messageType[0]?.field[1];
  const look = proto.service[0]?.method[1];
  if (count === undefined || look === undefined) {
    throw new Error('Question.count or LanesService.Look is not where it was');
  }
  count.options = create(FieldOptionsSchema);
  const rules = create(FieldRulesSchema, {
    type: {
      case: 'int32',
      value: { greaterThan: { case: 'gte', value: 0 }, lessThan: { case: 'lte', value: COUNT_MAX } },
    },
  });
  setExtension(count.options, fieldRules, rules);
  look.options = create(MethodOptionsSchema, { idempotencyLevel: MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS });
  const file = createFileRegistry(proto, (name) => dependencies.find((needed) => needed.proto.name === name)).getFile(
    proto.name,
  );
  if (file === undefined) {
    throw new Error('the file is not in the registry that was made from it');
  }
  return file;
}

const file = withOptions();

export const QuestionSchema: GenMessage<Question> = messageDesc(file, 0);
export const AnswerSchema: GenMessage<Answer> = messageDesc(file, 1);

export const LanesService: GenService<{
  ask: { methodKind: 'unary'; input: typeof QuestionSchema; output: typeof AnswerSchema };
  look: { methodKind: 'unary'; input: typeof QuestionSchema; output: typeof AnswerSchema };
  watch: { methodKind: 'server_streaming'; input: typeof QuestionSchema; output: typeof AnswerSchema };
}> = serviceDesc(file, 0);

const common = { workload: 'lanes', exposure: 'INTERNAL', scopes: [], calls: [], idempotent: true } as const;

/** Policy as the compiler would write it. */
export const lanesPolicy = {
  'weft.test.v1.LanesService/Ask': { ...common, deadlineMs: 20_000 },
  'weft.test.v1.LanesService/Look': { ...common, deadlineMs: 20_000 },
  'weft.test.v1.LanesService/Watch': { ...common, stream: { idleTimeoutMs: 60_000, maxDurationMs: 120_000 } },
} as const satisfies PolicyTable;
