/**
 * Where the time of a server and of its database goes: self times of a V8 CPU profile, and statements as they are seen at work.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';

/** The part of a V8 CPU profile that is read here. */
type Profile = {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples?: readonly number[];
  readonly timeDeltas?: readonly number[];
};

/** A function, and its share of the time that the process was busy. */
export type SelfTime = { readonly name: string; readonly share: number };

/** Not the server's own work: waiting, and taking the profile. */
const LEFT_OUT = /^\((idle|root)\)$|node:inspector/;

/** Reads a profile: functions by the time in themselves, most first. */
export function parseProfile(json: string): SelfTime[] {
  const { nodes, samples = [], timeDeltas = [] } = JSON.parse(json) as Profile;
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
      id,
      url === '' ? functionName : `${functionName || '(anonymous)'} ${shortened(url)}:${lineNumber + 1}`,
    ]),
  );
  const spent = new Map<string, number>();
  let busyUs = 0;
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? '';
    if (!LEFT_OUT.test(name)) {
      const us = timeDeltas[index] ?? 0;
      busyUs += us;
      spent.set(name, (spent.get(name) ?? 0) + us);
    }
  }
  return [...spent].map(([name, us]) => ({ name, share: us / busyUs })).sort((a, b) => b.share - a.share);
}

/** As much of a path as tells packages apart. */
function shortened(url: string): string {
  return url
    .replace(/^file:\/\//, '')
    .replace(/^.*\/(node_modules|services)\//, '')
    .replace(/^.*\/runtime\//, 'runtime/');
}

/** What a connection was seen doing, and in which share of all samples of busy connections. */
export type Seen = { readonly statement: string; readonly wait: string; readonly share: number };

const SAMPLE_INTERVAL_MS = 10;

/** Samples what the connections of a database do while work is done; most first. */
export async function sampleStatements(pool: Pool, work: () => Promise<unknown>): Promise<Seen[]> {
  const counts = new Map<string, number>();
  let isDone = false;
  const done = work().finally(() => {
    isDone = true;
  });
  while (!isDone) {
    const { rows } = await pool.query<{ what: string }>(`
      SELECT regexp_replace(left(query, 90), '\\s+', ' ', 'g') || E'\\t' || coalesce(wait_event_type || ' ' || wait_event, 'computes')
        AS what
      FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`);
    for (const { what } of rows) {
      counts.set(what, (counts.get(what) ?? 0) + 1);
    }
    await delay(SAMPLE_INTERVAL_MS);
  }
  await done;
  const all = [...counts.values()].reduce((sum, one) => sum + one, 0);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([what, count]) => {
      const [statement = '', wait = ''] = what.split('\t');
      return { statement, wait, share: count / all };
    });
}
