// What a client can be asked to be, and what it refuses to be.

import { describe, expect, test } from 'vitest';
import { EchoService, echoPolicy } from '../../test/echo.ts';
import { DEFAULT_LIMITS } from '../server/limits.ts';
import { type ConnectOptions, clientOptions } from './options.ts';
import { DEFAULT_SESSION_OPTIONS } from './session/session-options.ts';

const options = (given: Partial<ConnectOptions>) => clientOptions(EchoService, { egress: '127.0.0.1:1', ...given });

describe('refused is', () => {
  test.each<[Partial<ConnectOptions>, RegExp]>([
    [{ protocol: 'grpc', httpVersion: '1.1' }, /"grpc" needs HTTP\/2.*httpVersion is "1.1"/],
    [{ httpVersion: '1.1' }, /"grpc" needs HTTP\/2/],
    [{ useHttpGet: true }, /useHttpGet.*protocol is "grpc"/],
    [{ useHttpGet: true, protocol: 'grpc-web' }, /useHttpGet.*protocol is "grpc-web"/],
    [{ defaultTimeoutMs: 1, policy: echoPolicy }, /defaultTimeoutMs and policy/],
    [{ sessions: {}, httpVersion: '1.1', protocol: 'connect' }, /sessions.*httpVersion is "1.1"/],
    [{ policy: {} }, /policy knows no RPC of weft.test.v1.EchoService.*npm run generate/],
    [{ egress: 'nowhere' }, /"nowhere" is no address/],
    [{ sessions: { maxStream: 1 } as never }, /sessions.maxStream .*maxStreams/],
    [{ sessions: { idleMs: undefined } as never }, /sessions.idleMs is undefined/],
    [{ compressMinBytes: -2 }, /compressMinBytes is -2/],
    [{ compressMinBytes: 1.5 }, /compressMinBytes is 1.5/],
  ])('%o', (given, said) => {
    expect(() => options(given)).toThrow(said);
  });

  test.each(['readMaxBytes', 'writeMaxBytes', 'defaultTimeoutMs'])('a %s that is no whole number above 0', (name) => {
    for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => options({ [name]: value })).toThrow(`${name} is ${value}`);
    }
  });

  test.each(Object.keys(DEFAULT_SESSION_OPTIONS))('a bound of %s that is none', (name) => {
    for (const value of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => options({ sessions: { [name]: value } })).toThrow(`sessions.${name} is ${value}`);
    }
  });

  test.each(['protocol', 'httpVersion', 'format', 'errors', 'sendCompression', 'acceptCompression'])(
    'a %s that nobody knows',
    (name) => {
      const value = name === 'acceptCompression' ? ['gzip', 'zip'] : 'zip';
      expect(() => options({ [name]: value })).toThrow(`${name} is "zip": choose among`);
    },
  );
});

describe('what is left out', () => {
  test('is by default what a caller without policy needs', () => {
    expect(options({})).toMatchObject({
      ...{ authority: '127.0.0.1:1', protocol: 'grpc', httpVersion: '2', isBinary: true, isTyped: false },
      ...{ useHttpGet: false, useFastLane: true, acceptCompression: [], interceptors: [] },
      readMaxBytes: DEFAULT_LIMITS.readMaxBytes,
      sessions: DEFAULT_SESSION_OPTIONS,
    });
  });

  test('follows from policy where there is one', () => {
    expect(options({ policy: echoPolicy })).toMatchObject({ authority: 'echo', isTyped: true });
    expect(options({ policy: echoPolicy, errors: 'as-received', workload: 'edge' })).toMatchObject({
      authority: 'edge',
      isTyped: false,
    });
    expect(options({ egress: 'unix:run/x.sock' }).authority).toBe('localhost');
  });
});
