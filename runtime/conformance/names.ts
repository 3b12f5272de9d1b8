/** The suite's numbers of protocols, versions, codecs and compressions (its config.proto), in the words of `serve` and `connect`. */

const PROTOCOLS = { 1: 'connect', 2: 'grpc', 3: 'grpc-web' } as const;
const VERSIONS = { 1: '1.1', 2: '2' } as const;
const FORMATS = { 1: 'proto', 2: 'json' } as const;
/** 0 and 1: the bytes as they are. */
const COMPRESSIONS = { 0: undefined, 1: undefined, 2: 'gzip', 3: 'br' } as const;

/** Kinds of calls that the programs under test tell apart. */
export const StreamType = { UNARY: 1, FULL_DUPLEX_BIDI: 5 } as const;

export const protocolName = named('protocol', PROTOCOLS);
export const httpVersionName = named('HTTP version', VERSIONS);
export const formatName = named('codec', FORMATS);
export const compressionName = named('compression', COMPRESSIONS);

function named<const Names extends Readonly<Record<number, string | undefined>>>(what: string, names: Names) {
  /** @throws Error for a number that the configuration of the run should have left out. */
  return (number: number): Names[keyof Names] => {
    if (!(number in names)) {
      throw new Error(`the suite asks for ${what} ${number}, which is none of ours`);
    }
    // What is in it is one of its keys.
    return names[number as keyof Names];
  };
}
