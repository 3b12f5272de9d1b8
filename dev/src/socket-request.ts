/** One HTTP request over a Unix socket: to an Envoy's admin interface, or to the broker that tests share. */
import { request } from 'node:http';

export interface SocketAnswer {
  status: number;
  body: string;
}

export interface SocketRequestOptions {
  /** Default GET. */
  method?: string;
  /** Longest silence before it fails, in ms. Default: it waits for as long as it takes. */
  timeoutMs?: number;
}

/** Sends a request without a body, on a connection of its own, and reads the whole answer. */
export function askSocket(socketPath: string, path: string, options: SocketRequestOptions = {}): Promise<SocketAnswer> {
  const { method = 'GET', timeoutMs } = options;
  const timeout = timeoutMs === undefined ? {} : { timeout: timeoutMs };
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, method, agent: false, ...timeout }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    call.on('timeout', () => call.destroy(new Error(`no answer to ${path} within ${timeoutMs} ms`)));
    call.on('error', reject);
    call.end();
  });
}
