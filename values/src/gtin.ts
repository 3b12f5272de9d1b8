/**
 * GS1 trade item numbers: GTIN-8, -12 (UPC-A), -13 (EAN) and -14, with the check digit of the GS1 General Specifications,
 * section 7.9.
 */

const FORM = /^(\d{8}|\d{12,14})$/;

/** Whether the text is a GTIN of one of the four lengths whose last digit checks the others. */
export function isGtin(text: string): boolean {
  return FORM.test(text) && checkDigit(text.slice(0, -1)) === Number(text.at(-1));
}

/**
 * The digit that completes a GTIN: from the right, digits count three times and once in turn.
 *
 * @param digits the GTIN without its last digit.
 * @throws RangeError when there is anything but digits.
 */
export function checkDigit(digits: string): number {
  if (!/^\d+$/.test(digits)) {
    throw new RangeError('a GTIN has digits only');
  }
  const sum = [...digits]
    .reverse()
    .reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 3 : 1), 0);
  return (10 - (sum % 10)) % 10;
}
