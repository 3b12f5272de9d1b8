import { expect, test } from 'vitest';
import { formatAddress, parseAddress } from './address.ts';

test.each([
  ['unix:run/inventory.app.sock', { kind: 'unix', path: 'run/inventory.app.sock' }],
  ['127.0.0.1:9000', { kind: 'tcp', host: '127.0.0.1', port: 9_000 }],
  ['localhost:0', { kind: 'tcp', host: 'localhost', port: 0 }],
  ['[::1]:9000', { kind: 'tcp', host: '::1', port: 9_000 }],
])('%s is an address, and is written as it was read', (text, expected) => {
  const address = parseAddress(text);
  expect(address).toEqual(expected);
  expect(formatAddress(address)).toBe(text);
});

test.each([
  '',
  'unix:',
  '9000',
  'localhost',
  ':9000',
  'localhost:',
  'localhost:65536',
  'localhost:-1',
  '::1:9000',
  'http://a:1',
])('"%s" is none', (text) => expect(() => parseAddress(text)).toThrow('is no address'));

test('a path that the kernel would cut off is refused, with its length', () => {
  expect(parseAddress(`unix:${'a'.repeat(107)}`).kind).toBe('unix');
  expect(() => parseAddress(`unix:${'ä'.repeat(54)}`)).toThrow('1 to 107 bytes and this one has 108');
});
