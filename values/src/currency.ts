/**
 * ISO 4217: which currencies there are and how many decimals their minor unit stands for. Source: list one of ISO 4217 as
 * maintained by SIX (https://www.six-group.com/en/products-services/financial-information/data-standards.html), without
 * funds codes, precious metals and testing codes. Two decimals where nothing else is said.
 */

const TWO_DECIMALS = `
  AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK
  DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD
  KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP
  PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH
  USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG`;
const OTHER_DECIMALS: ReadonlyMap<number, string> = new Map([
  [0, 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF'],
  [3, 'BHD IQD JOD KWD LYD OMR TND'],
  [4, 'CLF UYW'],
]);

const DECIMALS: ReadonlyMap<string, number> = new Map([
  ...codes(TWO_DECIMALS).map((code) => [code, 2] as const),
  ...[...OTHER_DECIMALS].flatMap(([decimals, text]) => codes(text).map((code) => [code, decimals] as const)),
]);

/** Whether ISO 4217 knows the code. */
export function isCurrency(code: string): boolean {
  return DECIMALS.has(code);
}

/**
 * Decimals of the currency's minor unit: 2 for EUR, 0 for JPY, 3 for KWD, 4 for CLF.
 *
 * @throws RangeError for a code that ISO 4217 does not know.
 */
export function decimalsOf(code: string): number {
  const decimals = DECIMALS.get(code);
  if (decimals === undefined) {
    throw new RangeError(`${code} is not a currency of ISO 4217`);
  }
  return decimals;
}

/** All codes, sorted. */
export function currencies(): readonly string[] {
  return [...DECIMALS.keys()].sort();
}

function codes(text: string): string[] {
  return text.trim().split(/\s+/);
}
