/**
 * The process of a plugin: one request on standard input, one response on standard output. @bufbuild/protoplugin does this too, and
 * loads the TypeScript compiler for it, which takes as long as to compile a contract of some hundred RPCs.
 */
import { readFileSync } from 'node:fs';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type CodeGeneratorRequest,
  CodeGeneratorRequestSchema,
  type CodeGeneratorResponse,
  CodeGeneratorResponseSchema,
} from '@bufbuild/protobuf/wkt';

interface Plugin {
  readonly name: string;
  readonly version: string;
  run(request: CodeGeneratorRequest): CodeGeneratorResponse;
}

/** Runs `plugin`. What it throws goes to standard error, and the process fails; `--version` prints the version. */
export function runPlugin({ name, version, run }: Plugin): void {
  const args = process.argv.slice(2);
  if (args.length === 1 && (args[0] === '-v' || args[0] === '--version')) {
    process.stdout.write(`${name} ${version}\n`);
    return;
  }
  if (args.length > 0) {
    process.stderr.write(`${name} reads a CodeGeneratorRequest from standard input and takes no arguments\n`);
    process.exitCode = 1;
    return;
  }
  try {
    const response = run(fromBinary(CodeGeneratorRequestSchema, readFileSync(0)));
    process.stdout.write(toBinary(CodeGeneratorResponseSchema, response));
  } catch (error) {
    process.stderr.write(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  }
}
