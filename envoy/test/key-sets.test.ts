/** Where a topology may have the keys of tokens from, and what is refused. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { compile } from '../src/compile.ts';
import { describeProtos, testFolder } from './support/compile.ts';

const topology = parse(readFileSync(join(testFolder, 'topologies/test.yaml'), 'utf8'));
const url = 'https://login.example/keys.json';
let described: ReturnType<typeof describeProtos>;
beforeAll(() => {
  described = describeProtos(join(testFolder, 'protos'));
});

/** The edge's bootstrap. */
function edgeWith(token: object, parts: object = {}): string {
  const edge = { ...topology.edge, token: { issuer: 'a', audience: 'b', ...token } };
  const text = stringify({ ...topology, edge, ...parts });
  const files = compile({
    ...described,
    sourceRoot: 'protos',
    topologies: [{ name: 'test', file: 'test.yaml', text }],
  });
  return files.find(({ name }) => name === 'envoy/test/edge.yaml')?.content ?? '';
}

describe('what is refused', () => {
  test.each<[string, object, string]>([
    ['nothing', {}, 'jwks is missing'],
    ['another scheme', { jwks: 'ftp://login.example/keys' }, 'is no address of a key set'],
    ['an address without a host', { jwks: 'https://' }, 'is no address of a key set'],
    ['an address with a user', { jwks: 'https://me:secret@login.example/keys' }, 'is no address of a key set'],
    ['a fragment', { jwks: `${url}#a` }, 'is no address of a key set'],
    ['keys that get too old', { jwks: url, jwks_refresh_seconds: 3601 }, 'is not a number from 1 to 3600'],
    ['parts of a second', { jwks: url, jwks_refresh_seconds: 1.5 }, 'is not a whole number'],
    ['an age of a file', { jwks: 'jwks.json', jwks_refresh_seconds: 5 }, 'jwks_refresh_seconds says nothing of a file'],
    ['authorities of a file', { jwks: 'jwks.json', jwks_trusted_ca: 'ca' }, 'jwks_trusted_ca says nothing of a file'],
    ['authorities of http', { jwks: 'http://a/b', jwks_trusted_ca: 'ca' }, 'jwks_trusted_ca says nothing of http'],
  ])('%s', (_, token, says) => {
    expect(() => edgeWith(token)).toThrow(says);
  });

  test('a file, where the edge has no Unix socket to serve it on', () => {
    const workload = { ...topology.workload, admin: '127.0.0.1:9901' };
    expect(() => edgeWith({ jwks: 'jwks.json' }, { workload })).toThrow('the admin interface of the edge is no Unix');
  });
});

describe('what is written', () => {
  test('a file is watched in its folder', () => {
    expect(edgeWith({ jwks: '/etc/keys/jwks.json' })).toContain(
      'body: {filename: /etc/keys/jwks.json, watched_directory: {path: /etc/keys}}',
    );
  });

  test('a server over https has to prove its name to the authorities of the system', () => {
    const edge = edgeWith({ jwks: url });
    expect(edge).toContain('trusted_ca: {filename: /etc/ssl/certs/ca-certificates.crt}');
    expect(edge).toContain('match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: login.example}}]');
    expect(edge).toContain('{address: login.example, port_value: 443}');
    expect(edge).toContain('cache_duration: 60s');
  });

  test('a port and an age are taken over', () => {
    const edge = edgeWith({ jwks: 'http://10.0.0.1:8080/keys', jwks_refresh_seconds: 5 });
    expect(edge).toContain('{address: 10.0.0.1, port_value: 8080}');
    expect(edge).toContain('cache_duration: 5s');
    expect(edge).not.toContain('trusted_ca');
  });
});
