/**
 * docker-compose.yml with a new workload in it: the entries that every workload has, put behind those of the last one. What is
 * there stays as it is, byte for byte.
 */
import { isMap, isScalar, parseDocument, type Scalar, type YAMLMap } from 'yaml';
import type { Names } from './names.ts';

/** Anchors of what the entries of workloads share; a file without them is somebody else's, and is left alone. */
const anchors = ['confined', 'service', 'envoy', 'network', 'telemetry', 'after-postgres'];

/**
 * The text of the file with the workload; undefined for a file that does not place workloads in this way.
 *
 * @param bootstraps the folder of the bootstraps for this file: `gen/envoy/compose`.
 */
export function withWorkload(text: string, names: Names, bootstraps: string, database: boolean): string | undefined {
  const document = parseDocument(text);
  const services = document.get('services');
  if (document.errors.length > 0 || !isMap(services)) return undefined;
  if (!anchors.every((anchor) => new RegExp(`&${anchor}\\b`).test(text))) return undefined;
  const place = endOfLastSidecar(services as YAMLMap);
  if (place === undefined) return undefined;
  const image = document.get('name');
  const added = entries(names, { bootstraps, database, project: typeof image === 'string' ? image : 'weft' });
  const before = text.slice(0, place).trimEnd();
  const placed = `${before}\n\n${added}\n${text.slice(place).replace(/^\n*/, '\n')}`;
  return database ? withDatabase(placed, names.workload) : placed;
}

/** The offset behind the last `<workload>-envoy`, which is the last of a workload's entries. */
function endOfLastSidecar(services: YAMLMap): number | undefined {
  const sidecars = services.items.filter(({ key }) => isScalar(key) && String(key.value).endsWith('-envoy'));
  const last = sidecars.at(-1)?.value;
  return isMap(last) ? last.range?.[1] : undefined;
}

/** PostgreSQL's container makes the databases that it is told of. */
function withDatabase(text: string, workload: string): string | undefined {
  const list = parseDocument(text).getIn(['services', 'postgres', 'environment', 'WEFT_DATABASES'], true);
  const range = isScalar(list) ? (list as Scalar).range : undefined;
  if (!range) return undefined;
  const [, end] = range;
  return `${text.slice(0, end)} ${workload}${text.slice(end)}`;
}

function entries(
  { workload }: Names,
  { bootstraps, database, project }: { bootstraps: string; database: boolean; project: string },
): string {
  const url = `postgresql://${workload}:\${WEFT_SERVICE_PASSWORD:-weft}@postgres:5432/${workload}`;
  const lines = [
    `${workload}-network:`,
    '  <<: *network',
    `  networks: { default: { aliases: [${workload}] } }`,
    '',
    `${workload}:`,
    '  <<: *service',
    `  build: { context: ., dockerfile: services/${workload}/Dockerfile }`,
    `  image: ${project}/${workload}`,
    `  network_mode: service:${workload}-network`,
    '  environment:',
    '    <<: *telemetry',
    `    WEFT_WORKLOAD: ${workload}`,
    '    WEFT_LISTEN: 127.0.0.1:9000',
    '    WEFT_EGRESS: 127.0.0.1:15001',
    ...(database
      ? [
          `    DATABASE_URL: ${url}`,
          '  depends_on:',
          `    ${workload}-migrations:`,
          '      condition: service_completed_successfully',
          '',
          `${workload}-migrations:`,
          '  <<: *confined',
          `  image: ${project}/${workload}`,
          `  command: [node, runtime/src/data/migrate.ts, services/${workload}]`,
          '  environment:',
          `    DATABASE_URL: ${url}`,
          '  depends_on: *after-postgres',
        ]
      : []),
    '',
    `${workload}-envoy:`,
    '  <<: *envoy',
    `  network_mode: service:${workload}-network`,
    '  volumes:',
    `    - ./${bootstraps}/${workload}.yaml:/etc/envoy/envoy.yaml:ro`,
    '    - etc-weft:/etc/weft:ro',
    '    - run-weft:/var/run/weft',
  ];
  return lines.map((line) => (line === '' ? '' : `  ${line}`)).join('\n');
}
