/** Asks an Envoy over its admin socket: whether it is up, whom it can reach, and to turn its callers away. */
import { askSocket, type SocketAnswer } from './socket-request.ts';

const timeoutMs = 2000;

export class EnvoyAdmin {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** Whether it has its listeners and takes traffic. */
  async isReady(): Promise<boolean> {
    return (await this.#call('GET', '/ready')).status === 200;
  }

  /** The clusters (callees) of which it knows no healthy replica. */
  async unreachable(): Promise<string[]> {
    const values = await this.#stats('^cluster\\.[^.]+\\.membership_healthy$');
    return [...values].filter(([, value]) => value === 0).map(([name]) => name.split('.')[1] ?? name);
  }

  /** Requests that it works on. */
  async activeRequests(): Promise<number> {
    const values = await this.#stats('^http\\.[^.]+\\.downstream_rq_active$');
    return [...values].filter(([name]) => !name.startsWith('http.admin.')).reduce((sum, [, value]) => sum + value, 0);
  }

  /** From now on it answers health checks with a failure, so that callers turn away before it stops. */
  async failHealthChecks(): Promise<void> {
    await this.#call('POST', '/healthcheck/fail');
  }

  /** Statistics whose names match, by name. */
  async #stats(filter: string): Promise<Map<string, number>> {
    const { status, body } = await this.#call('GET', `/stats?format=json&filter=${encodeURIComponent(filter)}`);
    if (status !== 200) throw new Error(`Envoy answered ${status} when asked for statistics: ${body.slice(0, 200)}`);
    const { stats } = JSON.parse(body) as { stats: { name?: string; value?: number }[] };
    return new Map(stats.flatMap(({ name, value }) => (name === undefined ? [] : [[name, value ?? 0] as const])));
  }

  #call(method: string, path: string): Promise<SocketAnswer> {
    return askSocket(this.#socketPath, path, { method, timeoutMs });
  }
}
