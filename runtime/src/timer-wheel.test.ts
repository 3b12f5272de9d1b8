import { array, assert, constant, integer, oneof, property, record } from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { TimerWheel, type WheelEntry } from './timer-wheel.ts';

const TICK_MS = 2;
/** One tick since time is told in whole ones, one since the wheel may have turned a moment ago, and 1 ms of Node's timers. */
const LATE_MAX_MS = 2 * TICK_MS + 1;
const ROUND_MS = 512 * TICK_MS;
const DAY_MS = 86_400_000;

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** Notes when something was told. */
function noting(wheel: TimerWheel, delayMs: number) {
  const startMs = performance.now();
  const told: number[] = [];
  const entry = wheel.schedule(delayMs, () => told.push(performance.now() - startMs));
  return { entry, told, delayMs };
}

describe('what is due is told', () => {
  const delay = oneof(
    integer({ min: -5, max: 20 }),
    integer({ min: 0, max: 3 * ROUND_MS }),
    // Where the slots of the wheel meet.
    integer({ min: 1, max: 4 }).map((rounds) => rounds * ROUND_MS),
  );
  const step = oneof(
    { weight: 4, arbitrary: record({ kind: constant('schedule' as const), value: delay }) },
    { weight: 2, arbitrary: record({ kind: constant('cancel' as const), value: integer({ min: 0, max: 50 }) }) },
    {
      weight: 3,
      arbitrary: record({ kind: constant('pass' as const), value: integer({ min: 0, max: 2 * ROUND_MS }) }),
    },
  );

  test('once, never early, at most two ticks late, and never after it was cancelled', () => {
    assert(
      property(array(step, { maxLength: 60 }), (steps) => {
        const wheel = new TimerWheel();
        const notes: (ReturnType<typeof noting> & { isCancelled: boolean })[] = [];
        for (const { kind, value } of steps) {
          const target = notes[value % Math.max(1, notes.length)];
          if (kind === 'schedule') {
            notes.push({ ...noting(wheel, value), isCancelled: false });
          } else if (kind === 'pass') {
            vi.advanceTimersByTime(value);
          } else if (target !== undefined) {
            target.isCancelled ||= target.told.length === 0;
            target.entry.cancel();
          }
          expect(wheel.size).toBe(notes.filter((note) => !note.isCancelled && note.told.length === 0).length);
        }
        vi.advanceTimersByTime(6 * ROUND_MS);
        for (const { told, delayMs, isCancelled } of notes) {
          expect(told).toHaveLength(isCancelled ? 0 : 1);
          const dueMs = Math.max(0, delayMs);
          const lateMs = (told[0] ?? dueMs) - dueMs;
          expect(lateMs).toBeGreaterThanOrEqual(0);
          expect(lateMs).toBeLessThanOrEqual(LATE_MAX_MS);
        }
        expect(vi.getTimerCount()).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  test.each([1, 10])('after %s days', (days) => {
    const wheel = new TimerWheel();
    const { told } = noting(wheel, days * DAY_MS);
    vi.setSystemTime(0);
    // A clock that is moved on by hand need not tick through the days.
    const now = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + days * DAY_MS - 10);
    vi.advanceTimersToNextTimer();
    expect(told).toEqual([]);
    now.mockReturnValue(performance.now() + 10);
    vi.advanceTimersToNextTimer();
    expect(told).toHaveLength(1);
    now.mockRestore();
  });

  test('by the thousand, after a pause of the event loop too', () => {
    const wheel = new TimerWheel();
    const notes = Array.from({ length: 5_000 }, (_, index) => noting(wheel, index));
    const now = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 4_000);
    vi.advanceTimersToNextTimer();
    now.mockRestore();
    expect(notes.filter(({ told }) => told.length === 1)).toHaveLength(4_001);
    vi.advanceTimersByTime(6_000);
    expect(notes.every(({ told }) => told.length === 1)).toBe(true);
  });

  test('to an object as to a function', () => {
    const onExpire = vi.fn();
    new TimerWheel().schedule(5, { onExpire });
    vi.advanceTimersByTime(20);
    expect(onExpire).toHaveBeenCalledTimes(1);
  });
});

describe('one who is told', () => {
  test('can cancel another that falls due with it', () => {
    const wheel = new TimerWheel();
    const told: string[] = [];
    const entries: WheelEntry[] = [];
    for (const name of ['first', 'second', 'third']) {
      entries.push(
        wheel.schedule(10, () => {
          told.push(name);
          entries[1]?.cancel();
        }),
      );
    }
    vi.advanceTimersByTime(20);
    expect(told).toEqual(['first', 'third']);
    expect(wheel.size).toBe(0);
  });

  test('can cancel itself, without effect', () => {
    const wheel = new TimerWheel();
    const entry: WheelEntry = wheel.schedule(10, () => entry.cancel());
    vi.advanceTimersByTime(20);
    entry.cancel();
    expect(wheel.size).toBe(0);
  });

  test('can schedule again, at a later turn', () => {
    const wheel = new TimerWheel();
    let turns = 0;
    const again = () => {
      turns += 1;
      if (turns < 10) {
        wheel.schedule(0, again);
      }
    };
    wheel.schedule(0, again);
    vi.advanceTimersByTime(TICK_MS + 1);
    expect(turns).toBeLessThanOrEqual(2);
    vi.advanceTimersByTime(100);
    expect(turns).toBe(10);
  });

  test('can throw, and the others are told all the same', async () => {
    const uncaught: unknown[] = [];
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => uncaught.push(error));
    try {
      const wheel = new TimerWheel();
      const failure = new Error('from one of them');
      const thrower = () => {
        throw failure;
      };
      wheel.schedule(10, thrower);
      const together = noting(wheel, 10);
      const later = noting(wheel, 100);
      vi.advanceTimersByTime(200);
      await new Promise((resolve) => setImmediate(resolve));
      expect(uncaught).toEqual([failure]);
      expect([together.told.length, later.told.length]).toEqual([1, 1]);
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of before) {
        process.on('uncaughtException', listener);
      }
    }
  });
});

test('a wheel on which nothing is due sets no timers', () => {
  const wheel = new TimerWheel();
  expect(vi.getTimerCount()).toBe(0);
  const { entry } = noting(wheel, 10 * DAY_MS);
  expect(vi.getTimerCount()).toBe(1);
  entry.cancel();
  vi.advanceTimersByTime(2 * ROUND_MS);
  expect(vi.getTimerCount()).toBe(0);
  expect(wheel.size).toBe(0);
});

test('what is due far off does not have the wheel turn all the time', () => {
  const wheel = new TimerWheel();
  wheel.schedule(DAY_MS, () => {});
  const set = vi.spyOn(globalThis, 'setTimeout');
  vi.advanceTimersByTime(10 * ROUND_MS);
  expect(set.mock.calls.length).toBeLessThanOrEqual(20);
});

test('a delay that is no number is refused', () => {
  expect(() => new TimerWheel().schedule(Number.NaN, () => {})).toThrow(RangeError);
});
