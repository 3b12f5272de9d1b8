/**
 * A small service for the runtime's own tests, described in code: one RPC of each kind, with rules to break.
 */

import { create, createFileRegistry, type DescFile, type Message, setExtension } from '@bufbuild/protobuf';
import { type GenMessage, type GenService, messageDesc, serviceDesc } from '@bufbuild/protobuf/codegenv2';
import { FieldOptionsSchema } from '@bufbuild/protobuf/wkt';
import {
  FieldRulesSchema,
  field as fieldRules,
  file_buf_validate_validate,
} from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import type { PolicyTable } from '../src/policy.ts';
import { describeFile } from '../src/wire/describe.ts';

export type EchoRequest = Message<'weft.test.v1.EchoRequest'> & {
  /** At most 1,000,000 characters. */
  text: string;
  /** 0 to 1,000. */
  count: number;
};
export type EchoResponse = Message<'weft.test.v1.EchoResponse'> & { text: string; count: number };

/** The file without rules; the rules are options, which the describer of plain protocols does not know. */
const plain = describeFile({
  name: 'weft/test/v1/echo.proto',
  package: 'weft.test.v1',
  imports: [file_buf_validate_validate],
  messages: {
    EchoRequest: { fields: { text: '1 string', count: '2 int32' } },
    EchoResponse: { fields: { text: '1 string', count: '2 int32' } },
  },
  services: {
    EchoService: {
      Echo: { request: '.weft.test.v1.EchoRequest', response: '.weft.test.v1.EchoResponse' },
      Count: { request: '.weft.test.v1.EchoRequest', response: 'stream .weft.test.v1.EchoResponse' },
      Sum: { request: 'stream .weft.test.v1.EchoRequest', response: '.weft.test.v1.EchoResponse' },
      Chat: { request: 'stream .weft.test.v1.EchoRequest', response: 'stream .weft.test.v1.EchoResponse' },
    },
  },
});

function withRules(file: DescFile): DescFile {
  const { proto } = file;
  const count = proto.messageType[0]?.field[1];
  if (count === undefined) {
    throw new Error('EchoRequest.count is not where it was');
  }
  count.options = create(FieldOptionsSchema);
  const rules = create(FieldRulesSchema, {
    type: {
      case: 'int32',
      value: { greaterThan: { case: 'gte', value: 0 }, lessThan: { case: 'lte', value: 1_000 } },
    },
  });
  setExtension(count.options, fieldRules, rules);
  const ruled = createFileRegistry(proto, (name) => file.dependencies.find((needed) => needed.proto.name === name));
  const result = ruled.getFile(proto.name);
  if (result === undefined) {
    throw new Error('the file is not in the registry that was made from it');
  }
  return result;
}

const file = withRules(plain);

export const EchoRequestSchema: GenMessage<EchoRequest> = messageDesc(file, 0);
export const EchoResponseSchema: GenMessage<EchoResponse> = messageDesc(file, 1);

export const EchoService: GenService<{
  echo: { methodKind: 'unary'; input: typeof EchoRequestSchema; output: typeof EchoResponseSchema };
  count: { methodKind: 'server_streaming'; input: typeof EchoRequestSchema; output: typeof EchoResponseSchema };
  sum: { methodKind: 'client_streaming'; input: typeof EchoRequestSchema; output: typeof EchoResponseSchema };
  chat: { methodKind: 'bidi_streaming'; input: typeof EchoRequestSchema; output: typeof EchoResponseSchema };
}> = serviceDesc(file, 0);

const common = { workload: 'echo', exposure: 'INTERNAL', scopes: [], calls: [], idempotent: true } as const;
const stream = { idleTimeoutMs: 60_000, maxDurationMs: 120_000 } as const;

/** Policy as the compiler would write it. */
export const echoPolicy = {
  'weft.test.v1.EchoService/Echo': { ...common, deadlineMs: 5_000 },
  'weft.test.v1.EchoService/Count': { ...common, stream },
  'weft.test.v1.EchoService/Sum': { ...common, stream },
  'weft.test.v1.EchoService/Chat': { ...common, stream },
} as const satisfies PolicyTable;
