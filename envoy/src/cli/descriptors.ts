/** Descriptors of a folder's protos, made by buf, with the same files to compile that buf hands to a plugin. */
import { spawnSync } from 'node:child_process';
import { createFileRegistry, type DescFile, type FileRegistry, fromBinary, type Message } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { type FileDescriptorProto, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { UsageError } from './command.ts';

/** What the compiler is given of a folder. */
export interface Descriptors {
  readonly registry: FileRegistry;
  /** The files of the inputs, imports left out. */
  readonly files: readonly DescFile[];
}

const mostBytes = 512 * 1024 * 1024;

/** Runs `buf build` in `folder` for each input. Throws a UsageError with buf's words when the protos do not compile. */
export function buildDescriptors(folder: string, inputs: readonly string[]): Descriptors {
  const images = inputs.map((input) => fromBinary(FileDescriptorSetSchema, buildImage(folder, input)));
  const files = new Map<string, FileDescriptorProto>();
  const wanted = new Set<string>();
  for (const file of images.flatMap((image) => image.file)) {
    files.set(file.name, file);
    if (!isImport(file)) wanted.add(file.name);
  }
  const [image] = images;
  if (!image) throw new Error('there is no input to build');
  image.file = [...files.values()];
  const registry = createFileRegistry(image);
  return {
    registry,
    files: [...wanted].map((name) => registry.getFile(name)).filter((file): file is DescFile => file !== undefined),
  };
}

function buildImage(folder: string, input: string): Uint8Array {
  const args = ['build', input, '--output', '-'];
  const { status, stdout, stderr, error } = spawnSync('buf', args, { cwd: folder, maxBuffer: mostBytes });
  if (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new UsageError(missing ? 'buf is not on the path; run weft by npx' : `buf build: ${error.message}`);
  }
  if (status !== 0) throw new UsageError(`\`buf build ${input}\` fails:\n${beginningOf(stderr.toString().trim())}`);
  return stdout;
}

/** Lines that are told; an import that is missing makes hundreds. */
const mostLines = 10;

function beginningOf(text: string): string {
  const lines = text.split('\n');
  const more = lines.length - mostLines;
  return more > 0 ? [...lines.slice(0, mostLines), `and ${more} more`].join('\n') : text;
}

// buf.alpha.image.v1: FileDescriptorProto's field 8042 is buf's extension, whose field 1 says `is_import`.
const bufExtension = 8042;
const isImportField = 1;

function isImport(file: Message): boolean {
  return (file.$unknown ?? []).some(({ no, data }) => {
    if (no !== bufExtension) return false;
    const reader = new BinaryReader(new BinaryReader(data).bytes());
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === isImportField) return reader.bool();
      reader.skip(wireType, field);
    }
    return false;
  });
}
