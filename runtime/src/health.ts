/**
 * grpc.health.v1: whether this process wants calls, as a whole (the empty name) and by service. Sidecars ask it before they
 * send traffic; a server that drains says NOT_SERVING first. Wire compatible with grpc/health/v1/health.proto.
 */

import type { Message } from '@bufbuild/protobuf';
import { type GenMessage, type GenService, messageDesc, serviceDesc } from '@bufbuild/protobuf/codegenv2';
import type { ServiceImpl } from '@connectrpc/connect';
import { fail } from './errors/fail.ts';
import { until } from './server/until.ts';
import { describeFile } from './wire/describe.ts';

/** The states of a service. */
export const ServingStatus = { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const;
export type ServingStatus = (typeof ServingStatus)[keyof typeof ServingStatus];

export type HealthCheckRequest = Message<'grpc.health.v1.HealthCheckRequest'> & {
  /** Full name of a service; empty for the process as a whole. */
  service: string;
};
export type HealthCheckResponse = Message<'grpc.health.v1.HealthCheckResponse'> & { status: ServingStatus };
export type HealthListRequest = Message<'grpc.health.v1.HealthListRequest'>;
export type HealthListResponse = Message<'grpc.health.v1.HealthListResponse'> & {
  statuses: Record<string, HealthCheckResponse>;
};

const file = describeFile({
  name: 'grpc/health/v1/health.proto',
  package: 'grpc.health.v1',
  messages: {
    HealthCheckRequest: { fields: { service: '1 string' } },
    HealthCheckResponse: {
      fields: { status: '1 enum .grpc.health.v1.HealthCheckResponse.ServingStatus' },
      enums: { ServingStatus },
    },
    HealthListRequest: {},
    HealthListResponse: { fields: { statuses: '1 map<string, .grpc.health.v1.HealthCheckResponse>' } },
  },
  services: {
    Health: {
      Check: { request: '.grpc.health.v1.HealthCheckRequest', response: '.grpc.health.v1.HealthCheckResponse' },
      List: { request: '.grpc.health.v1.HealthListRequest', response: '.grpc.health.v1.HealthListResponse' },
      Watch: { request: '.grpc.health.v1.HealthCheckRequest', response: 'stream .grpc.health.v1.HealthCheckResponse' },
    },
  },
});

export const HealthCheckRequestSchema: GenMessage<HealthCheckRequest> = messageDesc(file, 0);
export const HealthCheckResponseSchema: GenMessage<HealthCheckResponse> = messageDesc(file, 1);
export const HealthListRequestSchema: GenMessage<HealthListRequest> = messageDesc(file, 2);
export const HealthListResponseSchema: GenMessage<HealthListResponse> = messageDesc(file, 3);

/** The service grpc.health.v1.Health. */
export const HealthService: GenService<{
  check: { methodKind: 'unary'; input: typeof HealthCheckRequestSchema; output: typeof HealthCheckResponseSchema };
  list: { methodKind: 'unary'; input: typeof HealthListRequestSchema; output: typeof HealthListResponseSchema };
  watch: {
    methodKind: 'server_streaming';
    input: typeof HealthCheckRequestSchema;
    output: typeof HealthCheckResponseSchema;
  };
}> = serviceDesc(file, 0);

/** The health of one process. */
export class Health {
  readonly #statuses = new Map<string, ServingStatus>();
  readonly #watchers = new Set<() => void>();

  /** @param services full names of the services that are asked after; all are SERVING, as is the process. */
  constructor(services: Iterable<string>) {
    for (const service of ['', ...services]) {
      this.#statuses.set(service, ServingStatus.SERVING);
    }
  }

  /** Whether `service` wants calls. Watchers hear of it. */
  set(service: string, serving: boolean): void {
    this.#statuses.set(service, serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING);
    this.#tell();
  }

  /** No service wants calls any more: the process is about to stop. */
  stopServing(): void {
    for (const service of this.#statuses.keys()) {
      this.#statuses.set(service, ServingStatus.NOT_SERVING);
    }
    this.#tell();
  }

  /** The implementation of `HealthService`. */
  implementation(): ServiceImpl<typeof HealthService> {
    return {
      check: ({ service }) => {
        const status = this.#statuses.get(service);
        if (status === undefined) {
          throw fail('SERVICE_UNKNOWN', undefined, { service });
        }
        return { status };
      },
      list: () => ({
        statuses: Object.fromEntries([...this.#statuses].map(([service, status]) => [service, { status }])),
      }),
      watch: ({ service }, context) => this.#watch(service, context.signal),
    };
  }

  async *#watch(service: string, signal: AbortSignal) {
    let told: ServingStatus | undefined;
    while (true) {
      const changed = Promise.withResolvers<void>();
      this.#watchers.add(changed.resolve);
      try {
        const status = this.#statuses.get(service) ?? ServingStatus.SERVICE_UNKNOWN;
        if (status !== told) {
          told = status;
          yield { status };
        }
        await until(signal, changed.promise);
      } finally {
        this.#watchers.delete(changed.resolve);
      }
    }
  }

  #tell(): void {
    for (const tell of this.#watchers) {
      tell();
    }
  }
}
