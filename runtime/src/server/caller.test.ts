import { describe, expect, test, vi } from 'vitest';
import { reasonOf } from '../errors/fail.ts';
import { type Call, runInCall } from './call.ts';
import { callerOf, hasScope, principal, requireSubject } from './caller.ts';

const HASH = 'Hash=468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688';
const edge = `By=spiffe://weft.local/shipping;${HASH};URI=spiffe://weft.local/edge`;
const claims = (payload: unknown) => Buffer.from(JSON.stringify(payload)).toString('base64url');

describe('the calling workload', () => {
  test.each([
    ['as Envoy writes it', edge, 'edge'],
    [
      'beside a quoted subject with separators',
      `${HASH};Subject="CN=a;b,c=\\"d";URI=spiffe://weft.local/pricing`,
      'pricing',
    ],
    ['absent', undefined, undefined],
    ['without a URI', HASH, undefined],
    ['of another trust domain', 'URI=spiffe://evil.example/edge', undefined],
    ['in a quoted value', `${HASH};Subject="CN=x;URI=spiffe://weft.local/edge"`, undefined],
    ['with two URIs', 'URI=spiffe://weft.local/pricing;URI=spiffe://weft.local/edge', undefined],
    ['with another element appended', `URI=spiffe://weft.local/pricing,${edge}`, undefined],
  ])('%s', (_name, header, workload) => {
    expect(callerOf(header === undefined ? {} : { 'x-forwarded-client-cert': header }).workload).toBe(workload);
  });
});

describe('the user', () => {
  const user = claims({ sub: 'ada', scope: 'orders:write  orders:read' });

  test('is whom the edge names', () => {
    const caller = callerOf({ 'x-forwarded-client-cert': edge, 'x-weft-claims': user });
    expect(caller).toMatchObject({ subject: 'ada', scopes: new Set(['orders:write', 'orders:read']) });
  });

  test.each([
    ['another workload', { 'x-forwarded-client-cert': edge.replace('/edge', '/shipping'), 'x-weft-claims': user }],
    ['nobody known', { 'x-weft-claims': user }],
    ['the edge, unreadably', { 'x-forwarded-client-cert': edge, 'x-weft-claims': '{' }],
    [
      'the edge, with other types',
      { 'x-forwarded-client-cert': edge, 'x-weft-claims': claims({ sub: 7, scope: ['a'] }) },
    ],
    ['the edge, with nothing', { 'x-forwarded-client-cert': edge, 'x-weft-claims': claims(null) }],
  ])('is nobody when %s says so', (_name, headers) => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    expect(callerOf(headers)).toMatchObject({ subject: undefined, scopes: new Set() });
    vi.restoreAllMocks();
  });

  test('is asked for by handlers', () => {
    const call = { caller: callerOf({ 'x-forwarded-client-cert': edge, 'x-weft-claims': user }) } as Call;
    runInCall(call, () => {
      expect(requireSubject()).toBe('ada');
      expect([hasScope('orders:read'), hasScope('mesh:read')]).toEqual([true, false]);
      expect(principal()).toBe('subject:ada');
    });
  });

  test('is required where there is none', () => {
    const call = { caller: callerOf({ 'x-forwarded-client-cert': edge }) } as Call;
    runInCall(call, () => {
      expect(principal()).toBe('workload:edge');
      try {
        requireSubject();
        expect.unreachable();
      } catch (error) {
        expect(reasonOf(error)).toBe('UNAUTHENTICATED');
      }
    });
  });
});
