import { expect, test } from 'vitest';
import { EnvironmentError, readEnvironment, required } from './environment.ts';

const good = { WEFT_WORKLOAD: 'inventory', WEFT_LISTEN: 'unix:run/inventory.app.sock' };

test('what is not set has a default or is absent', () => {
  expect(readEnvironment({ ...good, WEFT_EGRESS: '', DATABASE_URL: '' })).toEqual({
    workload: 'inventory',
    listen: { kind: 'unix', path: 'run/inventory.app.sock' },
    egress: undefined,
    databaseUrl: undefined,
    logLevel: 'info',
  });
});

test('what is set is read', () => {
  const environment = readEnvironment({
    ...good,
    WEFT_EGRESS: '127.0.0.1:9001',
    DATABASE_URL: 'postgresql://inventory@%2Fvar%2Frun/inventory',
    WEFT_LOG_LEVEL: 'debug',
  });
  expect(environment).toMatchObject({ egress: { port: 9_001 }, logLevel: 'debug' });
});

test.each([
  [{ WEFT_WORKLOAD: undefined }, /WEFT_WORKLOAD is not set.*such as inventory/],
  [{ WEFT_WORKLOAD: 'Inventory!' }, /WEFT_WORKLOAD is "Inventory!"/],
  [{ WEFT_LISTEN: undefined }, /WEFT_LISTEN is not set: set it to/],
  [{ WEFT_LISTEN: 'nowhere' }, /WEFT_LISTEN is "nowhere".*write unix:/],
  [{ WEFT_EGRESS: 'nowhere' }, /WEFT_EGRESS is "nowhere"/],
  [{ DATABASE_URL: 'mysql://a' }, /DATABASE_URL is not a PostgreSQL URL/],
  [{ WEFT_LOG_LEVEL: 'loud' }, /WEFT_LOG_LEVEL is "loud": set it to one of debug, info, warn, error/],
])('%o is refused by name, value and mend', (wrong, text) => {
  expect(() => readEnvironment({ ...good, ...wrong })).toThrow(EnvironmentError);
  expect(() => readEnvironment({ ...good, ...wrong })).toThrow(text);
});

test('all problems are told at once, and no password is', () => {
  const wrong = { WEFT_LISTEN: 'x', DATABASE_URL: 'http://user:hunter2@host' };
  expect(() => readEnvironment(wrong)).toThrow(/WEFT_WORKLOAD.*WEFT_LISTEN.*DATABASE_URL/s);
  expect(() => readEnvironment(wrong)).not.toThrow('hunter2');
});

test('a workload can insist on what others do without', () => {
  expect(required('x', 'WEFT_EGRESS')).toBe('x');
  expect(() => required(undefined, 'WEFT_EGRESS')).toThrow('WEFT_EGRESS is not set, and this workload needs it');
});
