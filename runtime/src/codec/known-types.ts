/** The message types on which the tests of the codec run: all of the mesh's, the runtime's own, and the awkward ones. */

import { readdirSync } from 'node:fs';
import type { DescFile, DescMessage } from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';
import {
  AnySchema,
  file_google_protobuf_descriptor,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_type,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt';
import { PlaceOrderRequestSchema } from '../../bench/contract.ts';
import { EchoRequestSchema } from '../../test/echo.ts';
import { everyKind } from './every-kind.ts';

const generated = new URL('../../../gen/ts/weft/', import.meta.url);

/** All of them, by name. */
export async function knownTypes(): Promise<Map<string, DescMessage>> {
  const files: DescFile[] = [
    AnySchema.file,
    file_google_protobuf_descriptor,
    file_google_protobuf_duration,
    file_google_protobuf_empty,
    file_google_protobuf_field_mask,
    file_google_protobuf_struct,
    file_google_protobuf_timestamp,
    file_google_protobuf_type,
    file_google_protobuf_wrappers,
    PlaceOrderRequestSchema.file,
    EchoRequestSchema.file,
    ...new Set(everyKind.map(({ file }) => file)),
    ...(await generatedFiles()),
  ];
  const types = new Map<string, DescMessage>();
  for (const file of files) {
    for (const type of nestedTypes(file)) {
      if (type.kind === 'message') {
        types.set(type.typeName, type);
      }
    }
  }
  return types;
}

async function generatedFiles(): Promise<DescFile[]> {
  const paths = readdirSync(generated, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('_pb.js'));
  const modules: object[] = await Promise.all(paths.map((path) => import(new URL(path, generated).href)));
  return modules.flatMap((module) =>
    Object.entries(module).flatMap(([name, value]) => (name.startsWith('file_') ? [value as DescFile] : [])),
  );
}
