import { expect, test } from 'vitest';
import { readArguments } from './arguments.ts';

test('without arguments an order is placed on the usual ports', () => {
  expect(readArguments([])).toEqual({ help: false, reset: false, order: true, ports: 'default' });
});

test('each argument does what it says', () => {
  expect(readArguments(['--reset', '--no-order', '--ports', 'free'])).toEqual({
    help: false,
    reset: true,
    order: false,
    ports: 'free',
  });
  expect(readArguments(['--ports=free']).ports).toBe('free');
});

test.each([['--port', 'free'], ['--ports', '8080'], ['--ports'], ['reset'], ['--no-such']])(
  '%s %s is refused',
  (...argv) => {
    expect(() => readArguments(argv)).toThrow();
  },
);
