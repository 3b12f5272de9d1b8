/**
 * docker-compose.yml, as far as it can be checked without an engine: it has the schema's form, names only what exists, and
 * gives every workload of the contracts its service, sidecar and bootstrap. That the bootstraps are valid is tested beside the
 * compiler (envoy/test/bootstraps.test.ts), with the real Envoy.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { policies } from '@weft/gen/weft/policy.ts';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

type Service = {
  image?: string;
  build?: { context: string; dockerfile: string };
  network_mode?: string;
  networks?: Record<string, { aliases: string[] }>;
  volumes?: string[];
  depends_on?: Record<string, { condition: string }>;
  environment?: Record<string, string>;
  ports?: string[];
  [key: string]: unknown;
};

const root = join(import.meta.dirname, '..');
const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
};
const services = Object.entries(compose.services);
const workloads: string[] = [...new Set(Object.values(policies).map(({ workload }) => workload))];

/** Keys of the Compose Specification that this file uses; another one would be a slip. */
const SERVICE_KEYS = new Set(
  'image build command entrypoint environment depends_on volumes ports network_mode networks tmpfs restart init user read_only cap_drop security_opt stop_grace_period healthcheck profiles'.split(
    ' ',
  ),
);

describe('docker-compose.yml', () => {
  test('uses keys of the Compose Specification only', () => {
    for (const [name, service] of services) {
      expect(
        Object.keys(service).filter((key) => !SERVICE_KEYS.has(key)),
        name,
      ).toEqual([]);
    }
  });

  test.each(services)('%s names only files, volumes and services that exist', (_name, service) => {
    expect(service.image ?? service.build).toBeDefined();
    if (service.build !== undefined) expect(existsSync(join(root, service.build.dockerfile))).toBe(true);
    for (const volume of service.volumes ?? []) {
      const [source = ''] = volume.split(':');
      expect(source.startsWith('./') ? existsSync(join(root, source)) : source in compose.volumes, volume).toBe(true);
    }
    for (const other of Object.keys(service.depends_on ?? {})) expect(compose.services).toHaveProperty(other);
    const [, shared] = /^service:(.+)$/.exec(service.network_mode ?? '') ?? [];
    if (shared !== undefined) expect(compose.services).toHaveProperty(shared);
  });

  test.each(workloads)('%s has a sidecar in its network namespace, with its own bootstrap', (workload) => {
    const sidecar = compose.services[`${workload}-envoy`];
    expect(sidecar?.image).toMatch(/^envoyproxy\/envoy:v1\.40\./);
    // The namespace is neither's own: it outlives both.
    const shared = `${workload}-network`;
    expect([compose.services[workload]?.network_mode, sidecar?.network_mode]).toEqual(
      Array(2).fill(`service:${shared}`),
    );
    expect(compose.services[shared]?.networks?.default?.aliases, 'is found under its name').toEqual([workload]);
    expect(sidecar?.volumes?.[0]).toBe(`./gen/envoy/compose/${workload}.yaml:/etc/envoy/envoy.yaml:ro`);
    expect(compose.services[workload]?.environment).toMatchObject({
      WEFT_WORKLOAD: workload,
      WEFT_LISTEN: '127.0.0.1:9000',
    });
  });

  test('images are stock ones, pinned, or built here', () => {
    for (const [name, { image = '', build }] of services) {
      const pinned = /^(envoyproxy\/envoy:v1\.40\.\d+|postgres:18|jaegertracing\/jaeger:\d+\.\d+\.\d+)$/.test(image);
      expect(build !== undefined || pinned || /^weft\//.test(image), `${name}: ${image}`).toBe(true);
    }
  });

  test('whoever has a database gets it made', () => {
    expect(readFileSync(join(root, 'deploy/compose/databases.sh'), 'utf8')).toContain(
      'for service in $WEFT_DATABASES; do',
    );
    const made = compose.services.postgres?.environment?.WEFT_DATABASES ?? '';
    const users = services.filter(
      ([name, { environment = {} }]) => environment.DATABASE_URL && workloads.includes(name),
    );
    expect(made.split(' ').toSorted()).toEqual(users.map(([name]) => name).toSorted());
  });

  test('what is not a stock server runs confined', () => {
    for (const [name, service] of services) {
      if (name === 'postgres' || name === 'jaeger') continue;
      expect(service, name).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      });
    }
  });

  test('publishes nothing beyond this machine', () => {
    for (const [, { ports = [] }] of services) for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  });
});

describe('each service’s image', () => {
  const dockerfiles = services.flatMap(([name, { build }]) =>
    build === undefined ? [] : [[name, build.dockerfile] as const],
  );

  test.each(dockerfiles)('%s copies only what exists, and of the services only its own', (name, dockerfile) => {
    const text = readFileSync(join(root, dockerfile), 'utf8');
    expect(text).not.toMatch(/^# syntax=/m);
    const copied = [...text.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = '']) => sources.split(' '));
    expect(copied.length).toBeGreaterThan(0);
    for (const source of copied) {
      expect(existsSync(join(root, source)), source).toBe(true);
      const [, service] = /^services\/(\w+)\//.exec(source) ?? [];
      if (service !== undefined) expect(service).toBe(name);
    }
    expect(text, 'does not run as root').toMatch(/^USER node$/m);
  });
});
