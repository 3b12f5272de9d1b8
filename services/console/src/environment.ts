/**
 * What the console is told by its environment beside what every workload is.
 */

import { type Address, parseAddress } from '@weft/runtime/address';
import { EnvironmentError } from '@weft/runtime/environment';

/** The console's own environment. */
export type ConsoleEnvironment = {
  /** `WEFT_OTLP_LISTEN`: where spans arrive; default 127.0.0.1:4318. */
  readonly otlpListen: Address;
  /** `WEFT_OTLP_FORWARD`: another OTLP/HTTP collector that gets them too, such as http://jaeger:4318. */
  readonly otlpForward: string | undefined;
  /** `WEFT_ADMIN_SOCKETS`: folder with the admin sockets of the mesh's Envoys; default `run`. */
  readonly adminSockets: string;
};

/**
 * Reads and checks it.
 *
 * @throws EnvironmentError
 */
export function readConsoleEnvironment(variables: NodeJS.ProcessEnv = process.env): ConsoleEnvironment {
  const otlpForward = variables.WEFT_OTLP_FORWARD || undefined;
  if (otlpForward !== undefined && !/^https?:\/\//.test(otlpForward)) {
    throw new EnvironmentError(
      `This process cannot start:\n- WEFT_OTLP_FORWARD is ${JSON.stringify(otlpForward)}: set it to the URL of an OTLP/HTTP collector, such as http://127.0.0.1:4318`,
    );
  }
  return {
    otlpListen: listenAddress(variables.WEFT_OTLP_LISTEN || '127.0.0.1:4318'),
    otlpForward,
    adminSockets: variables.WEFT_ADMIN_SOCKETS || 'run',
  };
}

function listenAddress(text: string): Address {
  try {
    return parseAddress(text);
  } catch (error) {
    throw new EnvironmentError(
      `This process cannot start:\n- WEFT_OTLP_LISTEN is ${JSON.stringify(text)}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
