/**
 * What the page is told by the server that it came from: where the edge is. What the address bar says on top: `?protocol=grpc-web`
 * speaks gRPC-Web instead of Connect, for the whole visit.
 */

/** The protocols that the edge takes from browsers. */
export type Protocol = 'connect' | 'grpc-web';

/** How the page reaches the mesh. */
export type Config = {
  /** Origin of the edge, such as `http://127.0.0.1:8080`. */
  readonly edgeUrl: string;
  readonly protocol: Protocol;
};

const PROTOCOL_KEY = 'weft.protocol';

/**
 * Reads `/config.json` and the address bar.
 *
 * @throws Error when the server has no configuration to give.
 */
export async function loadConfig(): Promise<Config> {
  const response = await fetch('/config.json', { cache: 'no-store' });
  const body: unknown = response.ok ? await response.json() : undefined;
  if (typeof body !== 'object' || body === null || !('edgeUrl' in body) || typeof body.edgeUrl !== 'string') {
    throw new Error('The server of this page did not say where the edge is (/config.json).');
  }
  return { edgeUrl: body.edgeUrl, protocol: chooseProtocol(new URLSearchParams(location.search), sessionStorage) };
}

/** The protocol that the query names, else the one chosen earlier in this tab, else Connect. */
export function chooseProtocol(query: URLSearchParams, memory: Pick<Storage, 'getItem' | 'setItem'>): Protocol {
  const asked = query.get('protocol') ?? memory.getItem(PROTOCOL_KEY);
  const protocol = asked === 'grpc-web' ? 'grpc-web' : 'connect';
  memory.setItem(PROTOCOL_KEY, protocol);
  return protocol;
}
