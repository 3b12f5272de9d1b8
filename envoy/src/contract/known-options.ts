/**
 * Which policy options this compiler understands. A repository brings its own copy of weft/mesh/v1/options.proto; one that is newer
 * than the compiler can hold a promise that nothing would keep, so it is refused.
 */
import type { FileRegistry } from '@bufbuild/protobuf';
import { InputError } from '../input-error.ts';

const file = 'weft/mesh/v1/options.proto';
const fieldsOf: Readonly<Record<string, readonly string[]>> = {
  ServicePolicy: ['workload', 'max_concurrent_requests', 'outlier_ejection'],
  OutlierEjection: ['consecutive_failures', 'base_ejection_time'],
  MethodPolicy: [
    'deadline',
    'stream',
    'retry',
    'exposure',
    'scopes',
    'calls',
    'rate_limit',
    'objective',
    'public_mutation_decision',
  ],
  StreamLimits: ['idle_timeout', 'max_duration'],
  Retry: ['max_attempts', 'per_try_timeout', 'codes'],
  Call: ['rpc', 'max_times', 'parallel', 'background', 'on_failure'],
  RateLimit: ['requests_per_second', 'burst'],
  Objective: ['availability_ppm', 'latency', 'latency_ppm'],
};

/** Throws an InputError when options.proto among the descriptors is missing, or has what this compiler does not know. */
export function knowAllOptions(registry: FileRegistry): void {
  const options = registry.getFile(file);
  if (!options) throw new InputError(`No file imports ${file}, so there is no policy to read`);
  for (const message of options.messages) {
    const known = fieldsOf[message.name];
    const unknown = message.fields.find(({ name }) => !known?.includes(name));
    if (!unknown) continue;
    throw new InputError(
      `${file} has ${message.name}.${unknown.name}, which this compiler does not know. Take the file that lies beside the compiler, or a newer compiler`,
    );
  }
}
