/**
 * Pages of lists (AIP-158): sizes, cursors, and tokens that are opaque and bound to the query they continue, so that a token
 * cannot be used with another filter. A cursor is the sort key of a page's last entry.
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

const DEFAULT_PAGE_SIZE = 50;

/** Comes after every UUID: where a list that shows the newest first begins. */
export const AFTER_EVERY_UUID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** What a part of a cursor must look like; a token can be forged, and the database takes no nonsense. */
export const CURSOR = {
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  integer: /^\d{1,9}$/,
  bigint: /^\d{1,18}$/,
  milliseconds: /^\d{1,14}$/,
  text: /^[^\0]{0,2000}$/u,
} as const;

/** Where a page begins and how long it is. */
export type Page = {
  /** The cursor of the page before; undefined on the first. */
  readonly after: readonly string[] | undefined;
  readonly size: number;
};

/**
 * Reads which page is asked for.
 *
 * @param form what each part of the cursor looks like.
 * @throws PAGE_TOKEN_INVALID when the token is not of this query.
 */
export function openPage<Desc extends DescMessage>(
  schema: Desc,
  request: PageRequest<Desc>,
  form: readonly RegExp[],
): Page {
  const cursor = openPageToken(schema, request);
  return {
    after: cursor === undefined ? undefined : parts(cursor, form),
    size: request.pageSize || DEFAULT_PAGE_SIZE,
  };
}

/**
 * A page that can be sent: of no more entries than weigh `most` together, but of one at least.
 *
 * @param weightOf how much an entry adds to the answer, such as the number of its lines.
 */
export function fitPage<T>(page: Page, read: readonly T[], weightOf: (entry: T) => number, most: number): Page {
  let weight = 0;
  const end = read.findIndex((entry) => {
    weight += weightOf(entry);
    return weight > most;
  });
  return end === -1 ? page : { ...page, size: Math.min(page.size, Math.max(1, end)) };
}

/** Cuts what was read, more than the page's size if there is more, to the page, and makes the token of the next. */
export function closePage<Desc extends DescMessage, T>(
  schema: Desc,
  request: PageRequest<Desc>,
  { size }: Page,
  read: readonly T[],
  cursorOf: (entry: T) => readonly string[],
): { entries: readonly T[]; nextPageToken: string } {
  const entries = read.slice(0, size);
  const last = entries.at(-1);
  const more = read.length > size && last !== undefined;
  return { entries, nextPageToken: more ? sealPageToken(schema, request, JSON.stringify(cursorOf(last))) : '' };
}

function parts(cursor: string, form: readonly RegExp[]): readonly string[] {
  const read = parse(cursor);
  if (!Array.isArray(read) || read.length !== form.length) {
    throw fail('PAGE_TOKEN_INVALID');
  }
  return form.map((pattern, index) => {
    const part: unknown = read[index];
    if (typeof part !== 'string' || !pattern.test(part)) {
      throw fail('PAGE_TOKEN_INVALID');
    }
    return part;
  });
}

function parse(cursor: string): unknown {
  try {
    return JSON.parse(cursor);
  } catch (error) {
    throw fail('PAGE_TOKEN_INVALID', undefined, {}, { cause: error });
  }
}
