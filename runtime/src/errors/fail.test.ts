import { Code, ConnectError } from '@connectrpc/connect';
import { errorToJson } from '@connectrpc/connect/protocol-connect';
import { describe, expect, test } from 'vitest';
import { catalogue } from './catalogue.ts';
import { fail, fieldViolationsOf, metadataOf, reasonOf, retryAfterMsOf } from './fail.ts';

describe('an error', () => {
  test('has the status of its reason, and the sentence of the catalogue when it has none of its own', () => {
    const error = fail('ITEM_NOT_FOUND');
    expect(error.code).toBe(Code.NotFound);
    expect(error.rawMessage).toBe(catalogue.ITEM_NOT_FOUND.meaning);
    expect(reasonOf(error)).toBe('ITEM_NOT_FOUND');
  });

  test('carries facts, fields and a delay', () => {
    const error = fail(
      'OVERLOADED',
      'busy',
      { queue: '7' },
      {
        retryAfterMs: 1_500,
        fieldViolations: [{ field: 'lines[0].sku', description: 'is unknown' }],
      },
    );
    expect(metadataOf(error)).toEqual({ queue: '7' });
    expect(retryAfterMsOf(error)).toBe(1_500);
    expect(fieldViolationsOf(error)).toMatchObject([{ field: 'lines[0].sku', description: 'is unknown', reason: '' }]);
  });

  test('keeps its cause to itself', () => {
    const cause = new Error('secret');
    const error = fail('INTERNAL', undefined, {}, { cause });
    expect(error.cause).toBe(cause);
    expect(errorToJson(error, undefined)).not.toHaveProperty('cause');
    expect(JSON.stringify(errorToJson(error, undefined))).not.toContain('secret');
  });

  test('neither its message nor its facts grow with what was sent', () => {
    const error = fail('FILTER_INVALID', 'm'.repeat(1_000_000), { near: 'x'.repeat(1_000_000) });
    expect([error.rawMessage.length, metadataOf(error).near?.length]).toEqual([1_000, 1_000]);
  });

  test('can be sent whatever text it holds', () => {
    const error = fail('FILTER_INVALID', 'cut in \ud83d half', { near: '\ude00' });
    expect(() => encodeURIComponent(error.rawMessage)).not.toThrow();
  });
});

test.each([undefined, null, 'text', new Error('x'), new ConnectError('x', Code.NotFound)])(
  '%s has no reason, facts, fields or delay',
  (error) => {
    expect(reasonOf(error)).toBeUndefined();
    expect(metadataOf(error)).toEqual({});
    expect(fieldViolationsOf(error)).toEqual([]);
    expect(retryAfterMsOf(error)).toBeUndefined();
  },
);
