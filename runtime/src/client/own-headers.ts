/**
 * Which of the headers that a caller gives with a call are its own to give, whichever lane the call takes.
 */

/** HTTP's own headers, and those by which the protocols agree on what the message is and how long the call may take. */
const RESERVED: ReadonlySet<string> = new Set([
  ...['host', 'connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings'],
  ...['content-length', 'content-type', 'content-encoding', 'accept-encoding', 'te', 'trailer'],
  ...['grpc-timeout', 'grpc-encoding', 'grpc-accept-encoding', 'connect-timeout-ms', 'connect-protocol-version'],
  ...['connect-content-encoding', 'connect-accept-encoding'],
]);

/** Headers of HTTP that are no part of a request over HTTP/2. */
const NOT_SENT: ReadonlySet<string> = new Set([
  ...['host', 'connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings'],
  'content-length',
]);

/** Whether a header can be sent over HTTP/2. */
export function isSendable(name: string): boolean {
  return !NOT_SENT.has(name);
}

/**
 * The headers of a caller without those that are not its own: they are ignored, since whoever passes on what it was called with does not
 * mean them.
 *
 * @throws TypeError for names and values that are none.
 */
export function ownHeaders(given: ConstructorParameters<typeof Headers>[0]): Headers | undefined {
  if (given === undefined) {
    return undefined;
  }
  const headers = new Headers(given);
  for (const name of [...headers.keys()]) {
    if (RESERVED.has(name)) {
      headers.delete(name);
    }
  }
  return headers;
}
