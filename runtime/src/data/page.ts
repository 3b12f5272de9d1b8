/**
 * Page tokens (AIP-158): opaque, and bound to the query they continue, so that a token cannot be used with another filter.
 */

import { createHash } from 'node:crypto';
import { clone, type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { fail } from '../errors/fail.ts';

/** A request that lists, page by page. */
type PageRequest<Desc extends DescMessage> = MessageShape<Desc> & { pageSize: number; pageToken: string };

const HASH_BYTES = 12;

/**
 * The token of the page after `cursor`.
 *
 * @param cursor what the service needs to go on, such as the sort key of the last entry. It can be read by the caller.
 */
export function sealPageToken<Desc extends DescMessage>(
  schema: Desc,
  request: PageRequest<Desc>,
  cursor: string,
): string {
  return Buffer.concat([queryHash(schema, request), Buffer.from(cursor)]).toString('base64url');
}

/**
 * The cursor in the request's page token; undefined on the first page.
 *
 * @throws PAGE_TOKEN_INVALID when the token is not of this query.
 */
export function openPageToken<Desc extends DescMessage>(schema: Desc, request: PageRequest<Desc>): string | undefined {
  if (request.pageToken === '') {
    return undefined;
  }
  const bytes = Buffer.from(request.pageToken, 'base64url');
  if (bytes.length <= HASH_BYTES || !bytes.subarray(0, HASH_BYTES).equals(queryHash(schema, request))) {
    throw fail('PAGE_TOKEN_INVALID');
  }
  return bytes.subarray(HASH_BYTES).toString();
}

/** The query is the request without what changes from page to page. */
function queryHash<Desc extends DescMessage>(schema: Desc, request: PageRequest<Desc>): Buffer {
  const query: PageRequest<Desc> = clone(schema, request) as PageRequest<Desc>;
  query.pageSize = 0;
  query.pageToken = '';
  const hash = createHash('sha256').update(schema.typeName).update(toBinary(schema, query));
  return hash.digest().subarray(0, HASH_BYTES);
}
