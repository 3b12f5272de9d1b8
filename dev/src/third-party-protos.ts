// The protos that the contracts import and this repository does not hold: written as text into an ignored folder, from the
// descriptors inside npm packages. buf.yaml names the folder as a module, so that buf needs no schema registry.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { file_buf_validate_validate } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { printProto } from './print-proto.ts';

const files = [file_buf_validate_validate];

/** Writes each third-party proto below `folder`; a file that already has the right text is left alone. */
export function writeThirdPartyProtos(folder: string): void {
  for (const file of files) {
    const path = join(folder, `${file.name}.proto`);
    const text = printProto(file);
    if (textOf(path) === text) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
