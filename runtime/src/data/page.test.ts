import { create, type Message } from '@bufbuild/protobuf';
import { type GenMessage, messageDesc } from '@bufbuild/protobuf/codegenv2';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { reasonOf } from '../errors/fail.ts';
import { describeFile } from '../wire/describe.ts';
import { CURSOR, closePage, fitPage, openPage, openPageToken, sealPageToken } from './page.ts';

type ListRequest = Message<'weft.test.v1.ListRequest'> & { pageSize: number; pageToken: string; filter: string };
const fields = { page_size: '1 int32', page_token: '2 string', filter: '3 string' };
const file = describeFile({
  name: 'weft/test/v1/list.proto',
  package: 'weft.test.v1',
  messages: { ListRequest: { fields }, OtherRequest: { fields } },
  services: {},
});
const ListRequestSchema: GenMessage<ListRequest> = messageDesc(file, 0);
const OtherRequestSchema: GenMessage<ListRequest> = messageDesc(file, 1);

const request = (fields: { pageSize?: number; pageToken?: string; filter?: string } = {}) =>
  create(ListRequestSchema, fields);
const FORM = [CURSOR.text, CURSOR.integer];

/** Numbers from 1, as a service would list them. */
function list(count: number, asked: ListRequest) {
  const page = openPage(ListRequestSchema, asked, [CURSOR.integer]);
  const first = Number(page.after?.[0] ?? 0) + 1;
  const read = Array.from({ length: Math.min(page.size + 1, count - first + 1) }, (_, index) => first + index);
  return closePage(ListRequestSchema, asked, page, read, (last) => [`${last}`]);
}

describe('pages', () => {
  test('of entries that weigh much give every entry once, and no more than can be sent', () => {
    const weights = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 40 });
    fc.assert(
      fc.property(
        weights,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 15 }),
        (weighed, pageSize, most) => {
          const seen: number[] = [];
          let pageToken = '';
          do {
            const asked = request({ pageSize, pageToken });
            const opened = openPage(ListRequestSchema, asked, [CURSOR.integer]);
            const first = Number(opened.after?.[0] ?? 0);
            const read = weighed.map((weight, index) => ({ weight, index })).slice(first, first + opened.size + 1);
            const page = fitPage(opened, read, ({ weight }) => weight, most);
            const closed = closePage(ListRequestSchema, asked, page, read, ({ index }) => [`${index + 1}`]);
            const weight = closed.entries.reduce((sum, entry) => sum + entry.weight, 0);
            expect(weight <= most || closed.entries.length === 1).toBe(true);
            expect(closed.entries.length).toBeLessThanOrEqual(pageSize);
            seen.push(...closed.entries.map(({ index }) => index));
            pageToken = closed.nextPageToken;
          } while (pageToken !== '');
          expect(seen).toEqual(weighed.map((_, index) => index));
        },
      ),
    );
  });

  test('give every entry once, whatever their size, and end', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 20 }), (count, pageSize) => {
        const seen: number[] = [];
        let pageToken = '';
        let pages = 0;
        do {
          const { entries, nextPageToken } = list(count, request({ pageSize, pageToken }));
          expect(entries.length).toBeLessThanOrEqual(pageSize);
          seen.push(...entries);
          pageToken = nextPageToken;
          pages += 1;
        } while (pageToken !== '');
        expect(seen).toEqual(Array.from({ length: count }, (_, index) => index + 1));
        expect(pages).toBe(Math.max(1, Math.ceil(count / pageSize)));
      }),
    );
  });

  test('have 50 entries when no size is asked for, and another size may be asked for on the way', () => {
    const { entries, nextPageToken } = list(120, request());
    expect(entries).toHaveLength(50);
    expect(list(120, request({ pageToken: nextPageToken, pageSize: 3 })).entries).toEqual([51, 52, 53]);
  });
});

describe('a token', () => {
  test('gives back what was put into it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'binary' }), (cursor) => {
        const pageToken = sealPageToken(ListRequestSchema, request({ filter: 'a' }), cursor);
        expect(pageToken).toMatch(/^[\w-]+$/);
        expect(openPageToken(ListRequestSchema, request({ filter: 'a', pageToken }))).toBe(cursor);
      }),
    );
  });

  const invalid = (open: () => unknown) => {
    try {
      open();
    } catch (error) {
      return reasonOf(error);
    }
    return undefined;
  };
  const sealed = sealPageToken(ListRequestSchema, request({ filter: 'a' }), '["x","1"]');
  const opening = (pageToken: string) => openPage(ListRequestSchema, request({ filter: 'a', pageToken }), FORM);

  test('is of its own query only', () => {
    expect(opening(sealed).after).toEqual(['x', '1']);
    const other = request({ filter: 'b', pageToken: sealed });
    expect(invalid(() => openPage(ListRequestSchema, other, FORM))).toBe('PAGE_TOKEN_INVALID');
    const elsewhere = create(OtherRequestSchema, { filter: 'a', pageToken: sealed });
    expect(invalid(() => openPage(OtherRequestSchema, elsewhere, FORM))).toBe('PAGE_TOKEN_INVALID');
  });

  test.each([
    ['nonsense', 'AAAA'],
    ['no base64', '%%%'],
    ['one without a cursor', Buffer.from(sealed, 'base64url').subarray(0, 12).toString('base64url')],
    ['one that was cut', sealed.slice(0, -4)],
    ['one that was lengthened', `${sealed}AAAA`],
  ])('that is %s is refused', (_, pageToken) => {
    expect(invalid(() => opening(pageToken))).toBe('PAGE_TOKEN_INVALID');
  });

  // The hash is no secret: a caller can make a token for any cursor, and the database must not be asked for nonsense.
  test.each([
    ['too few parts', '["x"]'],
    ['too many parts', '["x","1","2"]'],
    ['a number', '["x",1]'],
    ['a part of another form', '["x","one"]'],
    ['a number that is too long', `["x","${'9'.repeat(10)}"]`],
    ['a text that the database cannot hold', '["\\u0000","1"]'],
    ['no list', '{"0":"x","1":"1","length":2}'],
    ['nothing', 'null'],
  ])('that was forged with %s is refused', (_, cursor) => {
    const pageToken = sealPageToken(ListRequestSchema, request({ filter: 'a' }), cursor);
    expect(invalid(() => opening(pageToken))).toBe('PAGE_TOKEN_INVALID');
  });
});
