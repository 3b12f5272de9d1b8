/**
 * Headers and URLs of Node as the types of the web show them, which are what Connect speaks.
 */

import type { IncomingHttpHeaders } from 'node:http2';

/** Headers as Connect shows them: without HTTP/2's own. */
export function webHeaders(headers: IncomingHttpHeaders): Headers {
  const web = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !name.startsWith(':')) {
      for (const one of Array.isArray(value) ? value : [value]) {
        web.append(name, one);
      }
    }
  }
  return web;
}

/** The URL of a request: path and query matter; the authority is the sidecar's affair, and may be anything. */
export function requestUrl(headers: IncomingHttpHeaders): string {
  return new URL(headers[':path'] ?? '/', 'http://localhost').href;
}
