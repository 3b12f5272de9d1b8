/**
 * What a workload process is told by its environment, read once at start and refused with a clear text when it is wrong.
 */

import { type Address, parseAddress } from './address.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The environment of a workload. */
export type Environment = {
  /** `WEFT_WORKLOAD`: this workload's name, the last segment of its SPIFFE id. */
  readonly workload: string;
  /** `WEFT_LISTEN`: where the application listens for its sidecar. */
  readonly listen: Address;
  /** `WEFT_EGRESS`: the sidecar's outbound listener. Absent for a workload that calls nobody. */
  readonly egress: Address | undefined;
  /** `DATABASE_URL`: this workload's own database. Absent for a workload without one. */
  readonly databaseUrl: string | undefined;
  /** `WEFT_LOG_LEVEL`: least severe lines that are written; default `info`. */
  readonly logLevel: LogLevel;
};

/** Thrown for an environment that a process cannot start with; the message names each variable, its value and the mend. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}

/**
 * Reads and checks the environment. All problems are told at once.
 *
 * @throws EnvironmentError
 */
export function readEnvironment(variables: NodeJS.ProcessEnv = process.env): Environment {
  const problems: string[] = [];
  const workload = variables.WEFT_WORKLOAD ?? '';
  if (!/^[a-z][a-z0-9-]{0,62}$/.test(workload)) {
    problems.push(
      `WEFT_WORKLOAD is ${quote(variables.WEFT_WORKLOAD)}: set it to the workload's name, lower-case letters, digits and hyphens, such as inventory`,
    );
  }
  const address = (name: string): Address | undefined => {
    const text = variables[name];
    if (text === undefined || text === '') {
      return undefined;
    }
    try {
      return parseAddress(text);
    } catch (error) {
      problems.push(`${name} is ${quote(text)}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };
  const listen = address('WEFT_LISTEN');
  if (listen === undefined && !variables.WEFT_LISTEN) {
    problems.push(
      'WEFT_LISTEN is not set: set it to unix:<path> or <host>:<port>, such as unix:run/inventory.app.sock',
    );
  }
  const egress = address('WEFT_EGRESS');
  const databaseUrl = variables.DATABASE_URL || undefined;
  if (databaseUrl !== undefined && !/^postgres(ql)?:\/\//.test(databaseUrl)) {
    // The value is not repeated: it may hold a password.
    problems.push('DATABASE_URL is not a PostgreSQL URL: set it to postgresql://<role>@<host>/<database>');
  }
  const logLevel = LOG_LEVELS.find((level) => level === (variables.WEFT_LOG_LEVEL || 'info'));
  if (logLevel === undefined) {
    problems.push(`WEFT_LOG_LEVEL is ${quote(variables.WEFT_LOG_LEVEL)}: set it to one of ${LOG_LEVELS.join(', ')}`);
  }
  if (problems.length > 0 || listen === undefined || logLevel === undefined) {
    throw new EnvironmentError(`This process cannot start:\n${problems.map((problem) => `- ${problem}`).join('\n')}`);
  }
  return { workload, listen, egress, databaseUrl, logLevel };
}

/**
 * A value that this workload cannot do without, such as `environment.egress`.
 *
 * @throws EnvironmentError that names the variable.
 */
export function required<T>(value: T | undefined, variable: string): T {
  if (value === undefined) {
    throw new EnvironmentError(`This process cannot start:\n- ${variable} is not set, and this workload needs it`);
  }
  return value;
}

function quote(value: string | undefined): string {
  return value === undefined ? 'not set' : JSON.stringify(value);
}
