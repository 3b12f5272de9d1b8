/**
 * What JSON needs to know of messages that it meets by name only.
 */

import { createRegistry, type DescFile, type DescService, type Registry } from '@bufbuild/protobuf';

/** The messages that `google.protobuf.Any` may hold in JSON: those of the files of the services, and of all that these import. */
export function jsonRegistry(services: readonly DescService[]): Registry {
  const files = new Set<DescFile>();
  const add = (file: DescFile) => {
    if (!files.has(file)) {
      files.add(file);
      file.dependencies.forEach(add);
    }
  };
  for (const { file } of services) {
    add(file);
  }
  return createRegistry(...files);
}
