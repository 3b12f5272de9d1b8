/**
 * Which part of the suite to run, from the arguments of `npm run conformance`: whole without any. What is left out is left out
 * because it was asked for; there is no list of cases that are known to fail.
 */

import { parseArgs } from 'node:util';

export const MODES = ['server', 'client'] as const;
export type Mode = (typeof MODES)[number];

/** A part of the suite. An empty list means all. */
export type Selection = {
  /** Asks only how to ask. */
  readonly help: boolean;
  readonly modes: readonly Mode[];
  readonly versions: readonly string[];
  readonly protocols: readonly string[];
  readonly codecs: readonly string[];
  readonly compressions: readonly string[];
  readonly streamTypes: readonly string[];
  /** Undefined: both with TLS and without. */
  readonly tls: boolean | undefined;
  /** Patterns of names of cases, `**` for any part of one. */
  readonly run: readonly string[];
  readonly skip: readonly string[];
  /** Calls at once. */
  readonly parallel: number;
  /** Shows the HTTP traffic of cases that fail. */
  readonly trace: boolean;
};

export const USAGE = `npm run conformance -- [server] [client] [options]
  --http1, --http2            only this version
  --protocol NAME             connect, grpc or grpc-web; may be repeated, as may the next three
  --codec NAME                proto or json
  --compression NAME          identity, gzip or br
  --stream NAME               unary, client-stream, server-stream, half-duplex-bidi-stream or full-duplex-bidi-stream
  --tls, --cleartext          only with TLS, only without
  --run PATTERN               only cases of this name, such as 'Errors/**'; may be repeated, as may --skip
  --skip PATTERN
  --parallel N                calls at once, default 4
  --trace                     show the HTTP traffic of what fails`;

const ALL = {
  versions: ['1', '2'],
  protocols: ['connect', 'grpc', 'grpc-web'],
  codecs: ['proto', 'json'],
  compressions: ['identity', 'gzip', 'br'],
  streamTypes: ['unary', 'client-stream', 'server-stream', 'half-duplex-bidi-stream', 'full-duplex-bidi-stream'],
} as const;

/** @throws Error that says what is wrong with the arguments. */
export function readSelection(argv: readonly string[]): Selection {
  const list = { type: 'string', multiple: true, default: [] as string[] } as const;
  const flag = { type: 'boolean', default: false } as const;
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      http1: flag,
      http2: flag,
      tls: flag,
      cleartext: flag,
      trace: flag,
      help: flag,
      protocol: list,
      codec: list,
      compression: list,
      stream: list,
      run: list,
      skip: list,
      parallel: { type: 'string', default: '4' },
    },
  });
  if (values.http1 && !values.http2 && values.protocol.length > 0 && values.protocol.every((name) => name === 'grpc')) {
    throw new Error('gRPC needs HTTP/2: leave --http1 out, or --protocol grpc');
  }
  if (
    values.http1 &&
    !values.http2 &&
    values.stream.length > 0 &&
    values.stream.every((name) => name.includes('bidi'))
  ) {
    throw new Error('bidi streams need HTTP/2: leave --http1 out, or --stream');
  }
  const modes = MODES.filter((mode) => positionals.length === 0 || positionals.includes(mode));
  known('mode', positionals, MODES);
  return {
    help: values.help,
    modes,
    versions: [...(values.http1 ? ['1'] : []), ...(values.http2 ? ['2'] : [])],
    protocols: known('protocol', values.protocol, ALL.protocols),
    codecs: known('codec', values.codec, ALL.codecs),
    compressions: known('compression', values.compression, ALL.compressions),
    streamTypes: known('stream', values.stream, ALL.streamTypes),
    tls: values.tls === values.cleartext ? undefined : values.tls,
    run: values.run,
    skip: values.skip,
    parallel: Number(values.parallel),
    trace: values.trace,
  };
}

function known(what: string, given: readonly string[], all: readonly string[]): readonly string[] {
  for (const one of given) {
    if (!all.includes(one)) throw new Error(`there is no ${what} ${one}: ${all.join(', ')}`);
  }
  return given;
}

/**
 * The runner's configuration for a selection; JSON, which is YAML. All that the suite knows and Node can do: HTTP/3 and
 * compressions that Connect has no name for are out, as are bidi streams over HTTP/1.1, half duplex though they be.
 */
export function configurationOf(selection: Selection): string {
  const orAll = (chosen: readonly string[], all: readonly string[]) => (chosen.length === 0 ? all : chosen);
  const constants = (prefix: string, names: readonly string[]) =>
    names.map((name) => `${prefix}_${name.replaceAll('-', '_').toUpperCase()}`);
  const versions = orAll(selection.versions, ALL.versions);
  const tls = selection.tls !== false;
  // The runner refuses a configuration that asks HTTP/1.1 alone for what it cannot do.
  const http2 = versions.includes('2');
  const features = {
    versions: constants('HTTP_VERSION', versions),
    protocols: constants(
      'PROTOCOL',
      orAll(selection.protocols, ALL.protocols).filter((name) => http2 || name !== 'grpc'),
    ),
    codecs: constants('CODEC', orAll(selection.codecs, ALL.codecs)),
    compressions: constants('COMPRESSION', orAll(selection.compressions, ALL.compressions)),
    streamTypes: constants(
      'STREAM_TYPE',
      orAll(selection.streamTypes, ALL.streamTypes).filter((name) => http2 || !name.includes('bidi')),
    ),
    supportsH2c: http2 && selection.tls !== true,
    supportsTls: tls,
    supportsTlsClientCerts: tls,
    supportsConnectGet: true,
    supportsMessageReceiveLimit: true,
    supportsHalfDuplexBidiOverHttp1: false,
  };
  const without = selection.tls === true ? { excludeCases: [{ useTls: false }] } : {};
  return JSON.stringify({ features, ...without });
}
