/**
 * Short strings out of bytes of ASCII. A call with as many characters as there are is several times quicker than one into
 * the engine's decoder, up to about a dozen; beyond it, the decoder is.
 */

/** Up to here it is quicker to look at each byte than to call the engine. */
export const SHORT_TEXT = 12;

const from = String.fromCharCode;

/** The string in `length` bytes from `at`, all of them below 0x80. */
export function asciiText(bytes: Buffer, at: number, length: number): string {
  const b = (index: number): number => bytes[at + index] as number;
  switch (length) {
    case 0:
      return '';
    case 1:
      return from(b(0));
    case 2:
      return from(b(0), b(1));
    case 3:
      return from(b(0), b(1), b(2));
    case 4:
      return from(b(0), b(1), b(2), b(3));
    case 5:
      return from(b(0), b(1), b(2), b(3), b(4));
    case 6:
      return from(b(0), b(1), b(2), b(3), b(4), b(5));
    case 7:
      return from(b(0), b(1), b(2), b(3), b(4), b(5), b(6));
    case 8:
      return from(b(0), b(1), b(2), b(3), b(4), b(5), b(6), b(7));
    case 9:
      return from(b(0), b(1), b(2), b(3), b(4), b(5), b(6), b(7), b(8));
    case 10:
      return from(b(0), b(1), b(2), b(3), b(4), b(5), b(6), b(7), b(8), b(9));
    case 11:
      return from(b(0), b(1), b(2), b(3), b(4), b(5), b(6), b(7), b(8), b(9), b(10));
    case 12:
      return from(b(0), b(1), b(2), b(3), b(4), b(5), b(6), b(7), b(8), b(9), b(10), b(11));
    default:
      return bytes.toString('latin1', at, at + length);
  }
}
