/**
 * gRPC service configs, for clients that have no sidecar of the mesh: what a gRPC library takes as its service config in JSON
 * (https://github.com/grpc/grpc/blob/master/doc/service_config.md). Each entry names its place in the contract as `source`, which
 * gRPC libraries pass over.
 *
 * - `edge.json`: for callers from outside. Deadlines only: the edge makes the tries, and a path has retries at one hop.
 * - `direct.json`: for who dials a workload without any Envoy on the way, such as a job with an identity of its own. With retries,
 *   since nothing else makes them, and throttled, since no retry budget of an Envoy bounds them.
 */
import { type Contract, longestMs, type Method } from './contract/contract.ts';
import { formatPosition } from './contract/position.ts';
import type { OutputFile } from './output.ts';

/** As long as more than half of the tokens are there, calls are retried: a failure takes one, a success gives a tenth. */
const retryThrottling = { maxTokens: 100, tokenRatio: 0.1 };

/** `edge.json` and `direct.json` below `folder`. */
export function renderServiceConfigs(folder: string, contract: Contract): OutputFile[] {
  const methods = [...contract.methods.values()];
  const exposed = methods.filter(({ exposure }) => exposure !== 'INTERNAL');
  return [
    file(`${folder}/edge.json`, { methodConfig: exposed.map(deadlineOf) }),
    file(`${folder}/direct.json`, {
      methodConfig: methods.map((method) => ({ ...deadlineOf(method), ...retriesOf(method) })),
      retryThrottling,
    }),
  ];
}

const file = (name: string, config: object): OutputFile => ({ name, content: `${JSON.stringify(config, null, 2)}\n` });

function deadlineOf(method: Method): { source: string; name: object[]; timeout: string } {
  const [service = '', name = ''] = method.fullName.split('/');
  return {
    source: formatPosition(method.position),
    name: [{ service, method: name }],
    timeout: `${longestMs(method) / 1000}s`,
  };
}

/** The pauses are those that Envoy makes. */
function retriesOf({ retry }: Method): object {
  if (!retry) return {};
  return {
    retryPolicy: {
      maxAttempts: retry.maxAttempts,
      initialBackoff: '0.025s',
      maxBackoff: '0.25s',
      backoffMultiplier: 2,
      retryableStatusCodes: retry.codes,
    },
  };
}
