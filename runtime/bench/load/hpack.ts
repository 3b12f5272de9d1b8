/**
 * As much of HPACK (RFC 7541) as the load needs: headers are encoded once, requests the way a client does that sends the same
 * ones again and again, and what the other side sends is read, with its table and Huffman's code.
 */

/** RFC 7541, appendix A; the values of the entries that have one and are of use here. */
const STATIC_NAMES =
  ':authority :method :method :path :path :scheme :scheme :status :status :status :status :status :status :status accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control content-disposition content-encoding content-language content-length content-location content-range content-type cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate'.split(
    ' ',
  );
const STATIC_VALUES = new Map([
  [3, 'POST'],
  [6, 'http'],
  [8, '200'],
  [9, '204'],
  [10, '206'],
  [11, '304'],
  [12, '400'],
  [13, '404'],
  [14, '500'],
]);
const TABLE_MAX_BYTES = 4_096;
const ENTRY_OVERHEAD_BYTES = 32;

/** RFC 7541, appendix B: the lengths of the codes of characters 32 to 126. Its code is canonical, so lengths say all. */
const CODE_BITS = [
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6,
  5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
];
const FIRST_CHARACTER = 32;
/** The only other character whose code is as short; longer codes are of no character that a header has here. */
const NUL_BITS = 13;
const LONGEST_BITS = 15;

/** Characters by the length and the bits of their codes, a one before them. */
const characters = huffmanCodes();

function huffmanCodes(): Map<number, number> {
  const lengths = CODE_BITS.map((bits, index) => ({ bits, character: FIRST_CHARACTER + index }));
  const sorted = [{ bits: NUL_BITS, character: 0 }, ...lengths]
    .filter(({ bits }) => bits <= LONGEST_BITS)
    .sort((one, other) => one.bits - other.bits || one.character - other.character);
  const codes = new Map<number, number>();
  let code = 0;
  let length = sorted[0]?.bits ?? 0;
  for (const { bits, character } of sorted) {
    code <<= bits - length;
    length = bits;
    codes.set((1 << bits) | code, character);
    code += 1;
  }
  return codes;
}

function huffmanDecoded(bytes: Buffer): string {
  let text = '';
  let bits = 1;
  for (const byte of bytes) {
    for (let mask = 0x80; mask > 0; mask >>= 1) {
      bits = (bits << 1) | ((byte & mask) === 0 ? 0 : 1);
      const character = characters.get(bits);
      if (character !== undefined) {
        text += String.fromCharCode(character);
        bits = 1;
      }
    }
  }
  return text;
}

/** Blocks of request headers: as the first request of a connection has it, and as all others do, in turn. */
export type RequestBlocks = { readonly first: Buffer; readonly later: readonly Buffer[] };

type Pair = { readonly name: string; readonly value: string };

/**
 * Encodes headers, each variation of which has the same names in the same order.
 *
 * @param changing names whose values differ, which a client would not put in its table.
 */
export function requestBlocks(
  variations: readonly (readonly string[])[],
  changing: ReadonlySet<string>,
): RequestBlocks {
  const pairsOf = (headers: readonly string[]): Pair[] =>
    Array.from({ length: headers.length / 2 }, (_, index) => ({
      name: headers[2 * index] ?? '',
      value: headers[2 * index + 1] ?? '',
    }));
  const [first = []] = variations.map(pairsOf);
  const names = first
    .filter(({ name, value }) => !changing.has(name) && staticIndex(name, value) === undefined)
    .map(({ name }) => name);
  const encode = (pairs: readonly Pair[], isFirst: boolean): Buffer =>
    Buffer.concat(
      pairs.map(({ name, value }) => {
        const known = staticIndex(name, value);
        const position = names.indexOf(name);
        if (known !== undefined) {
          return Buffer.from([0x80 | known]);
        }
        if (position >= 0 && !isFirst) {
          // The last that was entered is the first of the table.
          return Buffer.from([0x80 | (STATIC_NAMES.length + names.length - position)]);
        }
        return Buffer.concat([Buffer.from([position >= 0 ? 0x40 : 0]), plainString(name), plainString(value)]);
      }),
    );
  return { first: encode(first, true), later: variations.map((headers) => encode(pairsOf(headers), false)) };
}

/** Encodes headers without entering them into the table, so that the block holds at any time. */
export function headerBlock(headers: readonly string[]): Buffer {
  return requestBlocks([headers], new Set(headers)).first;
}

function staticIndex(name: string, value: string): number | undefined {
  for (const [index, text] of STATIC_VALUES) {
    if (text === value && STATIC_NAMES[index - 1] === name) {
      return index;
    }
  }
  return undefined;
}

/** A string without Huffman's code, of less than 127 bytes. */
function plainString(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length >= 127) {
    throw new Error(`a header of the load is too long: ${text}`);
  }
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

type Entry = { readonly name: string; readonly value: string };

/** Reads blocks of headers, in the order in which they came over one connection. */
export class HeaderReader {
  /** The newest first. */
  readonly #table: Entry[] = [];
  #tableBytes = 0;
  #maxBytes = TABLE_MAX_BYTES;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  /** Calls `see` with each header of a block. */
  read(block: Buffer, see: (name: string, value: string) => void): void {
    this.#block = block;
    this.#at = 0;
    while (this.#at < block.length) {
      const byte = block[this.#at] ?? 0;
      if (byte >= 0x80) {
        const { name, value } = this.#entry(this.#integer(7));
        see(name, value);
      } else if (byte >= 0x40) {
        const entry = this.#literal(6);
        this.#enter(entry);
        see(entry.name, entry.value);
      } else if (byte >= 0x20) {
        this.#maxBytes = this.#integer(5);
        this.#evict();
      } else {
        const { name, value } = this.#literal(4);
        see(name, value);
      }
    }
  }

  #literal(prefixBits: number): Entry {
    const index = this.#integer(prefixBits);
    return { name: index === 0 ? this.#string() : this.#entry(index).name, value: this.#string() };
  }

  #entry(index: number): Entry {
    const name = STATIC_NAMES[index - 1];
    const entry =
      name === undefined
        ? this.#table[index - STATIC_NAMES.length - 1]
        : { name, value: STATIC_VALUES.get(index) ?? '' };
    if (entry === undefined) {
      throw new Error(`a block names header ${index} of a table of ${this.#table.length}`);
    }
    return entry;
  }

  #enter(entry: Entry): void {
    this.#table.unshift(entry);
    this.#tableBytes += entry.name.length + entry.value.length + ENTRY_OVERHEAD_BYTES;
    this.#evict();
  }

  #evict(): void {
    while (this.#tableBytes > this.#maxBytes) {
      const oldest = this.#table.pop();
      this.#tableBytes -= (oldest?.name.length ?? 0) + (oldest?.value.length ?? 0) + ENTRY_OVERHEAD_BYTES;
    }
  }

  #integer(prefixBits: number): number {
    const most = (1 << prefixBits) - 1;
    let value = (this.#block[this.#at] ?? 0) & most;
    this.#at += 1;
    if (value < most) {
      return value;
    }
    for (let shift = 0; ; shift += 7) {
      const byte = this.#block[this.#at] ?? 0;
      this.#at += 1;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) {
        return value;
      }
    }
  }

  #string(): string {
    const isHuffman = ((this.#block[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const bytes = this.#block.subarray(this.#at, this.#at + length);
    this.#at += length;
    return isHuffman ? huffmanDecoded(bytes) : bytes.toString('latin1');
  }
}
