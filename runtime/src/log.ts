/**
 * Logs: one JSON object a line on standard error, with the trace id of the call that is being answered. No personal data, no
 * request bodies.
 */

import { LOG_LEVELS, type LogLevel } from './environment.ts';
import { currentCall } from './server/call.ts';

/** Facts beside the message. An `Error` under `error` is written with its stack and its causes. */
export type LogFields = Readonly<Record<string, unknown>>;

const CAUSES_MAX = 5;

const state = { threshold: LOG_LEVELS.indexOf('info'), workload: undefined as string | undefined };

/** Sets the least severe level that is written, and the workload's name that every line carries. */
export function configureLog(options: { level?: LogLevel; workload?: string }): void {
  state.threshold = LOG_LEVELS.indexOf(options.level ?? 'info');
  state.workload = options.workload ?? state.workload;
}

/** Writes log lines. */
export const log = {
  debug: (message: string, fields?: LogFields) => write('debug', message, fields),
  info: (message: string, fields?: LogFields) => write('info', message, fields),
  warn: (message: string, fields?: LogFields) => write('warn', message, fields),
  error: (message: string, fields?: LogFields) => write('error', message, fields),
} as const;

function write(level: LogLevel, message: string, fields: LogFields = {}): void {
  if (LOG_LEVELS.indexOf(level) < state.threshold) {
    return;
  }
  const call = currentCall();
  const line = {
    time: new Date().toISOString(),
    level,
    workload: state.workload,
    message,
    rpc: call?.rpc,
    trace_id: call?.traceId,
    ...fields,
  };
  process.stderr.write(`${JSON.stringify(line, plain)}\n`);
}

/** Errors and bigints have no JSON of their own. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') {
    return value.toString();
  }
  return value instanceof Error ? describeError(value, CAUSES_MAX) : value;
}

function describeError(error: Error, depth: number): Record<string, unknown> {
  const cause = error.cause instanceof Error && depth > 0 ? describeError(error.cause, depth - 1) : undefined;
  return {
    name: error.name,
    message: error.message,
    code: 'code' in error ? error.code : undefined,
    stack: error.stack,
    cause,
  };
}
