/**
 * Pages of lists (AIP-158): sizes, and the cursors inside page tokens. A cursor is the sort key of a page's last entry.
 */

import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { openPageToken, sealPageToken } from '@weft/runtime/data/page';
import { fail } from '@weft/runtime/errors/fail';

type PageRequest<Desc extends DescMessage> = MessageShape<Desc> & { pageSize: number; pageToken: string };

const DEFAULT_PAGE_SIZE = 50;

/** What a part of a cursor must look like; a token can be forged, and the database takes no nonsense. */
export const CURSOR = {
  sku: /^[A-Z0-9][A-Z0-9._-]{0,63}$/,
  locationId: /^[a-z0-9][a-z0-9-]{0,62}$/,
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  integer: /^\d{1,9}$/,
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

/** Cuts what was read, one entry more than the page's size, to the page, and makes the token of the next. */
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
  let read: unknown;
  try {
    read = JSON.parse(cursor);
  } catch (error) {
    throw fail('PAGE_TOKEN_INVALID', undefined, {}, { cause: error });
  }
  const texts = Array.isArray(read) ? read.filter((part) => typeof part === 'string') : [];
  if (texts.length !== form.length || !form.every((pattern, index) => pattern.test(texts[index] ?? ''))) {
    throw fail('PAGE_TOKEN_INVALID');
  }
  return texts;
}
